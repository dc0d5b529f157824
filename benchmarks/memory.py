"""The memory that training is estimated to need, beside what real steps took.

    python benchmarks/memory.py [--only PART] [--threads 2] [--json FILE] [--no-heap]

Each configuration runs in a fresh process: a tiny model of its architecture takes a step first, so that libraries,
their thread pools and compiled kernels are loaded; what is resident then is the baseline. Then the model is built as
`reason train` builds it, and takes three steps with fused AdamW and clipped gradients on rows of the full length. On
Linux the figure is the highest resident memory above the baseline, on a CUDA device the highest that torch allocated.

glibc serves a request of up to 32 MiB from a heap that it does not give back at once, so that a process holds more than
is in use; the estimate for a CPU has a part for it. With `--no-heap` MALLOC_MMAP_THRESHOLD_ takes what the heap keeps
out of the measurement, and the estimate leaves it out too.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from reason_cli import Load
from reason_cli.engine.memory import training_memory
from reason_cli.plugins import build_switchboard

GPT2, BYTES = 50_257, 261
GOAL = 0.15
STEPS = 3


@dataclass(frozen=True)
class Case:
    """An architecture or preset, options that differ from it, and a load."""

    arch: str
    options: Mapping[str, int | float]
    vocab_size: int
    rows: int
    length: int
    precision: str = "fp32"
    checkpointing: bool = False
    accumulation: int = 1

    @property
    def load(self) -> Load:
        return Load(self.vocab_size, self.rows, self.length, self.precision, self.checkpointing)


NARROW = {"d_model": 256, "n_layer": 6}
LEAST = {"d_model": 128, "n_layer": 4}
CASES = [
    Case("small", {}, GPT2, 1, 64),
    Case("small", {}, GPT2, 4, 512),
    Case("small", {}, GPT2, 4, 512, "bf16"),
    Case("small", {}, GPT2, 4, 512, "fp32", True),
    Case("medium-lite", {"dropout": 0.0}, 8_192, 1, 2048),
    Case("medium-lite", {}, 8_192, 2, 1024, "bf16", True),
    Case("mamba", {"d_model": 128, "dropout": 0.0}, 2_048, 64, 100),
    Case("mamba", NARROW, BYTES, 2, 2048, "bf16"),
    Case("mamba", NARROW, BYTES, 16, 128, "fp32", False, 2),
    Case("hybrid-small", {"n_layer": 2}, GPT2, 1, 64),
    Case("hybrid-small", {"n_layer": 2}, GPT2, 2, 512),
    Case("hybrid-small", {"n_layer": 2}, 8_192, 2, 512, "bf16"),
    Case("hybrid-small", {"n_layer": 4}, 8_192, 4, 512, "fp32", True),
    Case("hybrid", LEAST, 2_048, 32, 100),
    Case("hybrid", LEAST, BYTES, 1, 2048, "bf16"),
    Case("llama-small", {"n_layer": 4}, GPT2, 1, 64),
    Case("llama-small", {"n_layer": 4}, GPT2, 2, 512),
    Case("llama-small", {"n_layer": 4}, 8_192, 2, 512, "bf16"),
    Case("llama-small", {"n_layer": 4}, 8_192, 4, 512, "fp32", True),
    Case("llama-tiny", {}, 1_024, 32, 100),
]


class Vocabulary:
    """All that an architecture asks of a tokenizer."""

    bos_token_id = eos_token_id = pad_token_id = 0

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size


def architecture_of(case: Case):
    """The architecture of a case and its options."""
    choice = build_switchboard().architecture(case.arch)
    return choice.architecture, replace(choice.preset or choice.architecture.Options(), **case.options)


def estimated(case: Case, heap: bool) -> dict[str, int]:
    """Bytes by part, and in all."""
    architecture, options = architecture_of(case)
    kind = "cpu" if heap and not torch.cuda.is_available() else "cuda"
    memory = training_memory(architecture.estimate(options, case.load), "adamw", case.accumulation, kind)
    return {**asdict(memory), "total": memory.total}


def train(case: Case, device: str, steps: int) -> None:
    """Steps on random rows of the full length, every token trained."""
    architecture, options = architecture_of(case)
    model = architecture.build(options, Vocabulary(case.vocab_size)).to(device).train()
    if case.checkpointing:
        model.activation_checkpointing_enable()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    for _ in range(steps):
        for _ in range(case.accumulation):
            ids = torch.randint(3, case.vocab_size, (case.rows, case.length), device=device)
            with torch.autocast(device, torch.bfloat16, enabled=case.precision == "bf16"):
                loss = model(input_ids=ids, labels=ids).loss / case.accumulation
            loss.backward()
            del loss
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


def measured(case: Case) -> int:
    """Bytes that training takes at its highest, above the baseline."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train(
        replace(case, options={**case.options, "d_model": 96, "n_layer": 1}, vocab_size=64, rows=1, length=64),
        device,
        1,
    )
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        train(case, device, STEPS)
        return torch.cuda.max_memory_allocated() - before
    ctypes.CDLL(None).malloc_trim(0)
    before = resident("VmRSS")
    train(case, device, STEPS)
    return resident("VmHWM") - before


def resident(field: str) -> int:
    """VmRSS, or VmHWM, the highest that it was, in bytes."""
    return 1024 * int(Path("/proc/self/status").read_text().split(field + ":")[1].split()[0])


def alone(number: int, threads: int, heap: bool) -> int:
    """What `measured` finds in a fresh process."""
    command = [sys.executable, __file__, "--threads", str(threads), "--alone", str(number)]
    env = {**os.environ, **({} if heap else {"MALLOC_MMAP_THRESHOLD_": "65536"})}
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout.split()[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only architectures and presets whose name begins so")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default 2)")
    parser.add_argument("--no-heap", dest="heap", action="store_false", help="without what glibc's heap keeps")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.alone is not None:
        sys.stdout.write(f"\n{measured(CASES[given.alone])}")
        return
    console = Console()
    table = Table("arch", "options", "vocab", "rows x length", "mode", "estimate", "measured (MiB)", "off by")
    found = []
    for number, case in enumerate(CASES):
        if not case.arch.startswith(given.only):
            continue
        estimate, real = estimated(case, given.heap), alone(number, given.threads, given.heap)
        off = estimate["total"] / real - 1
        found.append({**asdict(case), "estimate": estimate, "measured": real})
        mode = case.precision + (" recomputed" if case.checkpointing else "")
        mode += f" x{case.accumulation}" if case.accumulation > 1 else ""
        options = " ".join(f"{key} {value}" for key, value in case.options.items())
        sizes = [f"{amount / 2**20:,.0f}" for amount in (estimate["total"], real)]
        mark = f"[{'green' if abs(off) <= GOAL else 'red'}]{off:+.1%}"
        table.add_row(case.arch, options, f"{case.vocab_size:,}", f"{case.rows} x {case.length}", mode, *sizes, mark)
    console.print(table)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
