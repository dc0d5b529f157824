"""One training step of Mamba 512x8 on a CPU, beside its peers and beside its own matrix products.

    python benchmarks/train_step.py [--quick] [--json FILE] [--threads 2]

A step is forward, backward and fused AdamW at batch 1, vocabulary 8,192, float32, every token trained. Each figure is
the fastest of several rounds.

- In one process and in turns: our step, the matrix products of the step alone (the same shapes, forward and backward,
  nothing else), and our step under bfloat16 autocast.
- Each in a fresh process, as a training run is: `transformers`' own CPU path (its backward is quadratic in length, in
  time and in memory that it asks the system for), the same with `mambapy` where that is installed
  (`pip install mambapy`), and ours.
- Peak memory, each length in a fresh process.

`--quick` leaves out `transformers` at 512 (minutes a step) and takes fewer rounds.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
import transformers
from reason_mamba.model import MambaForCausalLM
from rich.console import Console
from rich.table import Table
from transformers import MambaConfig

LENGTHS = (256, 512, 1024, 2048, 4096)
SHAPE = {"vocab_size": 8192, "hidden_size": 512, "num_hidden_layers": 8, "state_size": 16}
Step = Callable[..., None]


def training_step(kind: type, length: int, autocast: bool = False, **config: object) -> Step:
    """A function that runs one training step of a fresh model of that kind."""
    torch.manual_seed(0)
    model = kind(MambaConfig(**SHAPE, **config)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step(length: int = length) -> None:
        ids = torch.randint(3, SHAPE["vocab_size"], (1, length))
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def products(length: int) -> Step:
    """A function that runs the step's matrix products: for each y = x w' also the gradients of x and of w."""
    config = MambaConfig(**SHAPE)
    d, e, n, r = config.hidden_size, config.intermediate_size, config.state_size, int(config.time_step_rank)
    shapes = [(d, 2 * e), (e, r + 2 * n), (r, e), (e, d)] * config.num_hidden_layers + [(d, config.vocab_size)]
    operands = [(torch.randn(length, i), torch.randn(o, i), torch.randn(length, o)) for i, o in shapes]

    def run() -> None:
        for x, w, dy in operands:
            torch.mm(x, w.t())
            torch.mm(dy, w)
            torch.mm(dy.t(), x)

    return run


def fastest(steps: dict[str, Step], rounds: int) -> dict[str, float]:
    """Seconds of each, the least over so many rounds in which all take their turn, after one to warm up."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: min(found) for name, found in times.items()}


def beside_products(lengths: tuple[int, ...], rounds: int) -> list[dict[str, float]]:
    """Per length: seconds of our step, of its products, of our step in bfloat16."""
    found = []
    for length in lengths:
        steps = {
            "ours": training_step(MambaForCausalLM, length),
            "products": products(length),
            "bfloat16": training_step(MambaForCausalLM, length, autocast=True),
        }
        times = fastest(steps, max(3, rounds * 512 // max(length, 512)))
        found.append({"length": length, **times, "ratio": times["ours"] / times["products"]})
    return found


def beside_peers(quick: bool, rounds: int) -> list[dict[str, object]]:
    """Per peer and length: seconds of the peer's step and of ours, each from a process of its own."""
    peers: list[tuple[str, int, int, float]] = [("transformers", 256, 2, 20.0)]
    if not quick:
        peers.append(("transformers", 512, 1, 150.0))
    if find_spec("mambapy"):
        peers.append(("mambapy", 512, rounds, 4.0))
    found = []
    for name, length, turns, target in peers:
        seconds, ours = alone(name, length, turns), alone("ours", length, rounds)
        found.append({"peer": name, "length": length, "seconds": seconds, "ours": ours, "target": target})
    return found


def measure_alone(name: str, length: int, rounds: int) -> float:
    """Seconds of one kind of step; with one round there is no turn to warm up, which is nothing beside minutes."""
    kind = MambaForCausalLM if name == "ours" else transformers.MambaForCausalLM
    step = training_step(kind, length, use_mambapy=name == "mambapy")
    if rounds > 1:
        return fastest({name: step}, rounds)[name]
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def alone(*what: object) -> float:
    """What `measure_alone` or, without a name, `measure_peak` finds in a fresh process."""
    command = [sys.executable, __file__, "--threads", str(torch.get_num_threads()), "--alone", *map(str, what)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_peak(length: int) -> float:
    """MiB by which one step at that length raises the peak of a process that has run a short one."""

    def peak() -> int:
        return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

    step = training_step(MambaForCausalLM, 64)
    step()
    step()
    before = peak()
    step(length)
    return (peak() - before) / 1024


def show(results: dict, console: Console) -> None:
    """The tables, with the targets beside what was found."""
    table = Table("length", "step (s)", "products (s)", "ratio", "tokens/s", "bfloat16 gain", "peak (MiB)")
    for row in results["steps"]:
        speed, gain = row["length"] / row["ours"], row["ours"] / row["bfloat16"]
        memory = results["memory"].get(str(row["length"]))
        cells = (f"{row['ours']:.3f}", f"{row['products']:.3f}", f"{row['ratio']:.2f}", f"{speed:,.0f}", f"{gain:.2f}x")
        table.add_row(str(row["length"]), *cells, f"{memory:,.0f}" if memory else "")
    console.print(table)
    speed_by_length = {row["length"]: row["length"] / row["ours"] for row in results["steps"]}
    worst = max(row["ratio"] for row in results["steps"] if row["length"] >= 512)
    console.print(f"step over products, worst from 512 on: {worst:.2f} (target: at most 1.70) {mark(worst <= 1.7)}")
    kept = speed_by_length[4096] / speed_by_length[512]
    console.print(f"tokens/s at 4,096 over 512: {kept:.2f} (target: at least 0.85) {mark(kept >= 0.85)}")
    peers = Table("peer", "length", "peer (s)", "ours (s)", "faster", "target")
    for row in results["peers"]:
        times = row["seconds"] / row["ours"]
        goal = f"{row['target']:.0f}x {mark(times >= row['target'])}"
        peers.add_row(
            row["peer"], str(row["length"]), f"{row['seconds']:.2f}", f"{row['ours']:.3f}", f"{times:,.0f}x", goal
        )
    console.print(peers)


def mark(met: bool) -> str:
    return "[green]met[/green]" if met else "[red]missed[/red]"


def main() -> None:
    """Measure, print, and with `--json` write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and no transformers at 512")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default 2)")
    parser.add_argument("--alone", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    transformers.logging.set_verbosity_error()
    if arguments.alone:
        *name, length, rounds = arguments.alone
        sys.stdout.write(str(measure_alone(name[0], int(length), int(rounds)) if name else measure_peak(int(length))))
        return
    rounds = 5 if arguments.quick else 15
    results = {
        "threads": arguments.threads,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "steps": beside_products(LENGTHS, rounds),
        "peers": beside_peers(arguments.quick, rounds),
        "memory": {str(n): alone(n, 1) for n in LENGTHS} if Path("/proc/self/status").exists() else {},
    }
    show(results, Console())
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
