"""What a prompt takes in onnxruntime: the whole graph with threads for each node, and cut by layer, see reason-onnx.

    python benchmarks/onnx_threads.py FOLDER [--threads 2]

FOLDER is what `reason export onnx` wrote of a mamba or a hybrid. Both read the same, in turn, in one process; before
each turn there is a pause, in which the threads of the other stop spinning. Medians, in milliseconds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch
from reason_onnx.running import Running, session
from rich.console import Console
from rich.table import Table

SHAPES = ((1, 20), (1, 60), (1, 200), (1, 1000), (8, 100), (8, 300), (32, 100))  # rows, and tokens of each
TURNS, PAUSE = 9, 0.2


def main() -> None:
    """Load both, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    by_layer, whole = Running(given.folder, given.threads), Running(given.folder, 1)
    whole.reading = session(given.folder / "model.onnx", given.threads)
    table = Table("rows x tokens", "whole", "by layer", "by layer, whole 1")
    for rows, length in SHAPES:
        ids = (torch.arange(rows * length) * 7 % 256).view(rows, length)
        taken: dict[str, list[float]] = {"whole": [], "by layer": []}
        for _ in range(TURNS):
            for name, running in (("whole", whole), ("by layer", by_layer)):
                time.sleep(PAUSE)
                begun = time.perf_counter()
                running.read(ids, None, None, True)
                taken[name].append(time.perf_counter() - begun)
        one, other = (statistics.median(taken[name][1:]) for name in ("whole", "by layer"))
        table.add_row(f"{rows} x {length}", f"{1e3 * one:.1f}", f"{1e3 * other:.1f}", f"{other / one:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
