"""The tiny recursive model on Sudoku: puzzles solved whole, held out from training, by supervision steps at test.

    python benchmarks/trm_puzzle.py --profiles sudoku4 sudoku6 --seeds 0

Each row is a whole `reason train --profile PROFILE`, timed from outside, then an evaluation of 1,000 puzzles for each
number of steps: with all of them taken, and with `halt_at_test`, by which a row that the halting head holds to be right
keeps its answer. Fails when more steps are worse than fewer by more than a point.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

from rich.console import Console
from rich.table import Table

from reason_cli.cli.main import main as reason_main

MOST_LOST = 0.01  # of the puzzles, by more steps


def reason(*arguments: object) -> str:
    """What `reason ARGUMENTS` prints, run in this process; fails when it does."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        try:
            reason_main([str(argument) for argument in arguments])
        except SystemExit as ended:
            if ended.code:
                raise
    return printed.getvalue()


def accuracy(run: Path, threads: int, limit: int, **model: object) -> float:
    """The share of held-out puzzles that a run solves whole, its model run as `model` says."""
    settings = [text for key, value in model.items() for text in ("--set", f"model.{key}={value}")]
    asked = ["--checkpoint", run, "--limit", limit, "--threads", threads, "--no-report", "--json"]
    (found,) = json.loads(reason("eval", "sudoku", *asked, *settings))
    return found["accuracy"]


def main() -> None:
    """Train, evaluate, print a table with a row for each profile and seed, and whether further steps hurt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", nargs="+", default=["sudoku4", "sudoku6"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--limit", type=int, default=1000, help="puzzles of an evaluation")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--set", nargs="+", default=[], help="settings of the runs, such as model.n_carry_steps=0")
    parser.add_argument("--folder", type=Path, help="where the run directories go; those that are there are taken")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="trm-puzzle-"))
    table = Table("profile", "seed", "minutes", "halting", *(f"{steps} steps" for steps in arguments.steps))
    worst = 0.0
    for profile in arguments.profiles:
        for seed in arguments.seeds:
            run, start, minutes = folder / f"{profile}-{seed}", time.perf_counter(), ""
            if not run.exists():
                asked = ["--profile", profile, "--seed", seed, "--threads", arguments.threads, "--output", run]
                asked += [text for setting in arguments.set for text in ("--set", setting)]
                command = [sys.executable, "-m", "reason_cli", "train", *map(str, asked)]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                minutes = f"{(time.perf_counter() - start) / 60:.1f}"
            for halting in (False, True):
                found = [
                    accuracy(run, arguments.threads, arguments.limit, steps_at_test=steps, halt_at_test=halting)
                    for steps in arguments.steps
                ]
                best = [max(found[: place + 1]) - share for place, share in enumerate(found)]
                worst = max(worst, *best)
                table.add_row(profile, str(seed), minutes, "yes" if halting else "no", *(f"{x:.1%}" for x in found))
    holds = worst <= MOST_LOST
    said = f"more steps never hurt by more than a point: {'yes' if holds else 'NO'}, by at most {100 * worst:.1f}"
    Console(width=120).print(table, said, sep="\n")
    raise SystemExit(0 if holds else 1)


if __name__ == "__main__":
    main()
