"""Mazes: cells with walls here and there, and a start and a goal between which one path is shorter than all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from reason_datasets.splits import check_split, key_of, owner_of

if TYPE_CHECKING:
    from reason_datasets.puzzles import MazeOptions

PATIENCE = 20_000  # so many drafts without a new maze mean that the options leave no more of them


def rows(split: str, splits: Sequence[str], rng: Random, options: MazeOptions) -> Iterator[Mapping[str, Any]]:
    """Rows of `split`, one of `splits`."""
    check_split("maze", split, splits)
    return _rows(split, splits, rng, options)


def _rows(split: str, splits: Sequence[str], rng: Random, options: MazeOptions) -> Iterator[Mapping[str, Any]]:
    seen: set[str] = set()
    misses = 0
    while misses < PATIENCE:
        misses += 1
        found = draft(rng, options)
        if found is None:
            continue
        question, answer, steps = found
        if owner_of(key_of(question), splits) == split and question not in seen:
            seen.add(question)
            misses = 0
            yield {"question": question, "answer": answer, "difficulty": steps}


def draft(rng: Random, options: MazeOptions) -> tuple[str, str, int] | None:
    """A maze, its solution and the steps of the path; None where no goal is far enough by one shortest path alone."""
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
    return question, _written(cells, size), steps[goal]


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
