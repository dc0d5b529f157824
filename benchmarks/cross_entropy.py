"""The loss over the vocabulary, forward and backward: in chunks, plain, and as torch's own chunked function does it.

    python benchmarks/cross_entropy.py [--batch 8] [--length 1024] [--vocab 50257] [--width 512] [--threads 2]

Each way runs in a fresh process: peak resident memory above what it was before the loss (inputs are there already, a
small loss has run), and the faster of two runs. Gradients of the hidden states and of the head's weight are part of
each. A second table is a small loss, as the quickstart's step has it, all ways in turns in one process.
"""

import argparse
import ctypes
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from reason_cli import linear_cross_entropy

SMALL = {"rows": 64 * 100, "vocab": 2_048, "width": 128}  # of the quickstart's step, every position trained
ROUNDS = 15


def plain(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """All logits at once."""
    return F.cross_entropy(F.linear(hidden, weight).float(), targets, reduction="sum")


def torchs(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """torch's, from 2.13 on, with its own choice of chunks."""
    options = torch.nn.LinearCrossEntropyOptions()
    return F.linear_cross_entropy(hidden, weight, targets, reduction="sum", options=options)


WAYS = {"chunked": linear_cross_entropy, "plain": plain}
if hasattr(F, "linear_cross_entropy"):
    WAYS["torch's"] = torchs


def inputs(rows: int, vocab: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states, a head and targets, the same each time."""
    torch.manual_seed(0)
    hidden, weight = torch.randn(rows, width), torch.randn(vocab, width) * 0.02
    return hidden.requires_grad_(), weight.requires_grad_(), torch.randint(vocab, (rows,))


def seconds(way: str, hidden: Tensor, weight: Tensor, targets: Tensor) -> float:
    """Of one forward and backward pass."""
    hidden.grad = weight.grad = None
    start = time.perf_counter()
    (WAYS[way](hidden, weight, targets) / len(targets)).backward()
    return time.perf_counter() - start


def memory(field: str) -> int:
    """VmRSS, or VmHWM, the highest that it was, in bytes."""
    return 1024 * int(Path("/proc/self/status").read_text().split(field + ":")[1].split()[0])


def alone(way: str, rows: int, vocab: int, width: int) -> dict[str, float]:
    """Peak bytes above those before, and seconds."""
    given = inputs(rows, vocab, width)
    seconds(way, *inputs(64, 256, 32))
    ctypes.CDLL(None).malloc_trim(0)
    before = memory("VmRSS")
    took = seconds(way, *given)
    peak = memory("VmHWM") - before
    return {"peak": peak, "seconds": min(took, seconds(way, *given))}


def beside(rows: int, vocab: int, width: int) -> dict[str, float]:
    """Median seconds of each way, all in turns."""
    given = inputs(rows, vocab, width)
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way, found in times.items():
            found.append(seconds(way, *given))
    return {way: statistics.median(found[1:]) for way, found in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("batch", 8), ("length", 1024), ("vocab", 50_257), ("width", 512), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rows = given.batch * given.length
    if given.alone:
        sys.stdout.write(json.dumps(alone(given.alone, rows, given.vocab, given.width)))
        return
    console = Console()
    table = Table("way", "peak (MiB)", "of plain", "seconds", "of plain", title=f"{rows:,} x {given.vocab:,}")
    found = {}
    for way in WAYS:
        command = [sys.executable, __file__, *sys.argv[1:], "--alone", way]
        found[way] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for way, own in found.items():
        shares = [f"{own[key] / found['plain'][key]:.2f}" for key in ("peak", "seconds")]
        table.add_row(way, f"{own['peak'] / 2**20:,.0f}", shares[0], f"{own['seconds']:.2f}", shares[1])
    console.print(table)
    few = Table(
        "way", "milliseconds", "of plain", title=f"{SMALL['rows']:,} x {SMALL['vocab']:,}, width {SMALL['width']}"
    )
    times = beside(**SMALL)
    for way, took in times.items():
        few.add_row(way, f"{took * 1000:.1f}", f"{took / times['plain']:.2f}")
    console.print(few)


if __name__ == "__main__":
    main()
