"""Sudokus with one solution: a solved grid, some of its digits given, and one more wherever a second solution differs.

A grid is a list of size * size numbers, row by row: 1 to size, 0 where nothing is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

from reason_datasets.puzzles import BOXES
from reason_datasets.puzzles.rows import Draft

if TYPE_CHECKING:
    from reason_datasets.puzzles import SudokuOptions


def draft(rng: Random, options: SudokuOptions) -> Draft:
    """A Sudoku and the number of its clues."""
    size = options.size
    solved = solve([0] * (size * size), size, rng)
    assert solved is not None, "an empty grid has solutions"
    puzzle = draw(solved, options.clues or size * size // 4, rng)
    question, kind = written(puzzle, size), written(renamed(puzzle), size)
    return Draft(question, written(solved, size), sum(map(bool, puzzle)), kind)


def draw(solved: Sequence[int], clues: int, rng: Random) -> list[int]:
    """A puzzle of this one solution: `clues` digits at random places, and where it has another solution, more."""
    cells, size = range(len(solved)), round(len(solved) ** 0.5)
    shown = set(rng.sample(cells, clues))
    while True:
        puzzle = [digit if cell in shown else 0 for cell, digit in enumerate(solved)]
        other = solve(puzzle, size, rng, unlike=solved)
        if other is None:
            return puzzle
        shown.add(rng.choice([cell for cell in cells if other[cell] != solved[cell]]))


def solve(puzzle: Sequence[int], size: int, rng: Random, unlike: Sequence[int] = ()) -> list[int] | None:
    """A solution at random, not `unlike`; None where there is none."""
    grid, units, everything = list(puzzle), _units(size), (1 << size) - 1
    used = [0] * (3 * size)  # digits in each row, column and box, a bit each
    for cell, digit in enumerate(grid):
        if digit:
            for unit in units[cell]:
                used[unit] |= 1 << (digit - 1)
    empty = [cell for cell, digit in enumerate(grid) if not digit]

    def fill() -> bool:
        """The emptiest choice first, its digits in random order."""
        if not empty:
            return grid != list(unlike)
        fewest, chosen, at = size + 1, 0, 0
        for place, cell in enumerate(empty):
            row, column, box = units[cell]
            options = everything & ~(used[row] | used[column] | used[box])
            count = options.bit_count()
            if count < fewest:
                fewest, chosen, at = count, options, place
                if count < 2:
                    break
        if not fewest:
            return False
        cell = empty[at]
        empty[at] = empty[-1]
        empty.pop()
        digits = [digit for digit in range(size) if chosen >> digit & 1]
        if fewest > 1:
            rng.shuffle(digits)
        for digit in digits:
            grid[cell] = digit + 1
            for unit in units[cell]:
                used[unit] ^= 1 << digit
            if fill():
                return True
            for unit in units[cell]:
                used[unit] ^= 1 << digit
        grid[cell] = 0
        empty.append(cell)
        empty[at], empty[-1] = empty[-1], empty[at]
        return False

    return grid if fill() else None


@lru_cache
def _units(size: int) -> list[tuple[int, int, int]]:
    """Of each cell the numbers of its row, its column and its box, told apart."""
    height, width = BOXES[size]
    cells = ((row, column) for row in range(size) for column in range(size))
    return [(r, size + c, 2 * size + r // height * height + c // width) for r, c in cells]


def renamed(puzzle: Sequence[int]) -> list[int]:
    """The puzzle with its digits numbered as they appear: the same for all that differ by names alone."""
    names = {0: 0}
    return [names.setdefault(digit, len(names)) for digit in puzzle]


def written(grid: Sequence[int], size: int) -> str:
    """A line for each row, 0 for what is not given."""
    text = "".join(map(str, grid))
    return "\n".join(text[start : start + size] for start in range(0, len(text), size))
