"""Does a model learn from its own graded answers? Sums of two numbers, before and after GRPO.

    python benchmarks/grpo_arithmetic.py [--seeds 0 1 2] [--steps N] [--folder DIR]

For each seed a small Mamba learns sums such as 47 + 8 from solutions for a little while, so that it is right now and
then; GRPO goes on from there with the questions alone, rewarded by the verdicts of `reason eval`. 300 of the 900 sums
are kept from both and asked before and after, greedily. Shown are the mean reward of the first and the last ten steps,
the accuracy, and McNemar's exact test over the same questions, by `reason compare`'s own code. One thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from reason_cli.engine.comparison import compare
from reason_cli.engine.graded import read_graded
from reason_cli.engine.statistics import mcnemar_exact

HELD_OUT, ENDS = 300, 10
SIZES = {"d_model": 64, "n_layer": 2, "dropout": 0, "max_seq_len": 48}
BOTH = ("--style", "plain", "--device", "cpu", "--precision", "fp32", "--threads", "1", "--samples", "0")
SOLUTIONS = (
    *("--arch", "mamba", *(part for key, value in SIZES.items() for part in ("--set", f"model.{key}={value}"))),
    *("--tokenizer", "bpe:300", "--micro-batch-size", "64", "--max-steps", "440"),
    *("--learning-rate", "1e-2", "--warmup-steps", "20"),
)
ANSWERS = (
    *("--method", "grpo", "--set", "grpo.num_generations=16", "--set", "grpo.max_completion_length=8"),
    *("--micro-batch-size", "256", "--learning-rate", "5e-4", "--warmup-steps", "5", "--lr-scheduler", "linear"),
    *("--weight-decay", "0", "--adam-beta2", "0.99", "--logging-steps", "1"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300, help="optimizer steps of GRPO")
    parser.add_argument("--folder", type=Path, help="where runs are kept")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="grpo-"))
    write_sums(folder)
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1))) as pool:
        rows = list(pool.map(lambda seed: measure(folder, seed, given.steps), given.seeds))
    show(rows)


def write_sums(folder: Path) -> None:
    """All sums of a number of two digits and one of one digit, shuffled and divided."""
    pairs = [(a, b) for a in range(10, 100) for b in range(10)]
    random.Random(0).shuffle(pairs)
    lines = [json.dumps({"question": f"{a} + {b}", "answer": str(a + b)}) + "\n" for a, b in pairs]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test.jsonl").write_text("".join(lines[:HELD_OUT]), encoding="utf-8")
    (folder / "train.jsonl").write_text("".join(lines[HELD_OUT:]), encoding="utf-8")


def measure(folder: Path, seed: int, steps: int) -> dict[str, object]:
    """Both runs of a seed, and how the questions kept from them were answered after each."""
    before, after = folder / f"solutions-{seed}", folder / f"answers-{seed}"
    common = ("--dataset", folder / "train.jsonl", "--seed", seed, *BOTH)
    learn(before, *SOLUTIONS, *common)
    begun = time.perf_counter()
    learn(after, *ANSWERS, "--max-steps", steps, "--init-from", before, *common)
    seconds = time.perf_counter() - begun
    asked = ("eval", folder / "test.jsonl", "--max-new-tokens", 8, "--no-report")
    for run in (before, after):
        reason(*asked, "--checkpoint", run)
    lines = [json.loads(line) for line in (after / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    rewards = [line["rewards/correct/mean"] for line in lines if "reward" in line]
    return {
        "seed": seed,
        "rewards": (statistics.mean(rewards[:ENDS]), statistics.mean(rewards[-ENDS:])),
        "compared": compare(read_graded(before), read_graded(after)),
        "seconds": seconds,
    }


def learn(run: Path, *arguments: object) -> None:
    if not (run / "final").is_dir():
        reason("train", *arguments, "--output", run, "--save-steps", 100_000, "--eval-steps", 100_000)


def reason(*arguments: object) -> None:
    command = [sys.executable, "-m", "reason_cli", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def show(rows: list[dict]) -> None:
    columns = ("seed", "right when drawn", "held out, greedy", "corrected / broken", "McNemar p", "GRPO, s")
    table = Table(*columns)
    for row in rows:
        compared = row["compared"]
        table.add_row(
            str(row["seed"]),
            "{:.1%} -> {:.1%}".format(*row["rewards"]),
            f"{compared.a['accuracy']:.1%} -> {compared.b['accuracy']:.1%}",
            f"{len(compared.corrected)} / {len(compared.broken)}",
            f"{compared.mcnemar['p']:.1e}",
            f"{row['seconds']:.0f}",
        )
    corrected, broken = (sum(len(getattr(row["compared"], name)) for row in rows) for name in ("corrected", "broken"))
    console = Console()
    console.print(table)
    console.print(f"all seeds: {corrected} corrected, {broken} broken, p {mcnemar_exact(broken, corrected):.1e}")


if __name__ == "__main__":
    main()
