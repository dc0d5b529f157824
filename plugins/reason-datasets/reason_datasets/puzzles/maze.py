"""Mazes: cells with walls here and there, and a start and a goal between which one path is shorter than all others."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from reason_datasets.puzzles.rows import Draft

if TYPE_CHECKING:
    from reason_datasets.puzzles import MazeOptions


def draft(rng: Random, options: MazeOptions) -> Draft | None:
    """A maze and the steps of its path; None where no goal is far enough by one shortest path alone."""
    size = options.size
    cells = ["x" if rng.random() < options.walls else "o" for _ in range(size * size)]
    start = rng.randrange(size * size)
    cells[start] = "S"
    steps, ways, before = explore(cells, size, start)
    least = options.min_steps or size
    goals = [cell for cell, far in steps.items() if far >= least and ways[cell] == 1]
    if not goals:
        return None
    goal = rng.choice(goals)
    cells[goal] = "G"
    question, cell = _written(cells, size), before[goal]
    while cell != start:
        cells[cell] = "*"
        cell = before[cell]
    return Draft(question, _written(cells, size), steps[goal], question)


def explore(cells: Sequence[str], size: int, start: int) -> tuple[dict[int, int], dict[int, int], dict[int, int]]:
    """Of each cell that can be reached: its steps from the start, its shortest paths, and a cell before it on one."""
    steps, ways, before, reached = {start: 0}, {start: 1}, {}, [start]
    for cell in reached:
        row, column = divmod(cell, size)
        beside = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        for r, c in beside:
            other = r * size + c
            if not (0 <= r < size and 0 <= c < size) or cells[other] == "x":
                continue
            if other not in steps:
                steps[other], ways[other], before[other] = steps[cell] + 1, 0, cell
                reached.append(other)
            if steps[other] == steps[cell] + 1:
                ways[other] += ways[cell]
    return steps, ways, before


def _written(cells: Sequence[str], size: int) -> str:
    return "\n".join("".join(cells[start : start + size]) for start in range(0, size * size, size))
