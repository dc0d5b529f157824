"""Grid puzzles made on the spot: `sudoku` and `maze`, and the extractor `grid` that accepts the solved grid alone.

Question and answer are grids of the same shape, a line a row, and nothing else. Questions are written in letters and
digits alone: where questions are compared, punctuation does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reason_cli import AnswerExtractor, BadRow, DatasetFormatter, Example, Extraction, ReasonError, option
from reason_datasets.fields import text_of, whole_number_of

FINAL = re.compile(r"\bfinal[ \t]answer[ \t]{0,3}:\**", re.IGNORECASE)
BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}  # rows and columns of a box, by the size of a Sudoku


@dataclass(frozen=True)
class SudokuOptions:
    """What the Sudokus are like."""

    size: int = option(4, "rows, columns and digits: 4, 6 or 9", minimum=4, maximum=9)
    clues: int = option(
        0, "digits given at random; as many more are given as make the solution unique; 0: a quarter", minimum=0
    )


@dataclass(frozen=True)
class MazeOptions:
    """What the mazes are like."""

    size: int = option(7, "rows and columns", minimum=3, maximum=40)
    walls: float = option(0.3, "share of the cells that are walls", minimum=0.0, maximum=0.6)
    min_steps: int = option(0, "fewest steps of the path; 0: as many as a side has cells", minimum=0)


class Grids(DatasetFormatter):
    """Puzzles whose question and answer are grids of one shape."""

    extractor = "grid"
    columns = ("question", "answer", "difficulty")
    measure = ""  # what the column `difficulty` counts

    def format(self, row: Mapping[str, Any], options: Any) -> Example:
        """What a row says."""
        question, answer = text_of(row, "question"), text_of(row, "answer")
        if [*map(len, question.split("\n"))] != [*map(len, answer.split("\n"))]:
            raise BadRow("question and answer are grids of different shapes")
        return Example(question, "", answer, {self.measure: whole_number_of(row, "difficulty")})


class Sudoku(Grids):
    """`1004` is a row of a puzzle, `1324` of a solution. 6x6 has boxes of two rows and three columns."""

    name = "sudoku"
    help = "Sudokus of 4x4, 6x6 or 9x9 with one solution each, generated without limit"
    Options = SudokuOptions
    measure = "clues"

    def generate(self, split: str, seed: int, options: SudokuOptions) -> Iterator[Mapping[str, Any]]:
        """Rows without end, or until the options leave no new puzzle. No puzzle of one split is one of another with its
        digits renamed.
        """
        if options.size not in BOXES:
            raise ReasonError(f"sudoku: no boxes fit a size of {options.size}", "set size to 4, 6 or 9", usage=True)
        if options.clues > options.size**2:
            cells = options.size**2
            raise ReasonError(f"sudoku: {options.clues} clues in {cells} cells", "give fewer clues", usage=True)
        from random import Random

        from reason_datasets.puzzles.rows import rows
        from reason_datasets.puzzles.sudoku import draft

        rng = Random(f"sudoku/{split}/{seed}")
        return rows(self.name, split, self.splits, lambda: draft(rng, options))


class Maze(Grids):
    """From `S` to `G` through `o`, round the walls `x`; the answer marks the only shortest path with `*`."""

    name = "maze"
    help = "grids with walls and one shortest path from S to G, generated without limit"
    Options = MazeOptions
    measure = "steps"

    def generate(self, split: str, seed: int, options: MazeOptions) -> Iterator[Mapping[str, Any]]:
        """Rows without end; ends early only when the options leave no maze that was not there already."""
        from random import Random

        from reason_datasets.puzzles.maze import draft
        from reason_datasets.puzzles.rows import rows

        rng = Random(f"maze/{split}/{seed}")
        return rows(self.name, split, self.splits, lambda: draft(rng, options))


class GridAnswers(AnswerExtractor):
    """A grid is right when all its lines are; only spaces around a line do not count."""

    name = "grid"
    help = "all lines after the mark `Final Answer:`, or the whole text without one, right when every cell is"

    def extract(self, text: str) -> Extraction | None:
        """The lines that `text` gives, after what was thought."""
        thought = text.rfind("</think>")
        start = 0 if thought < 0 else thought + len("</think>")
        strategy = "whole"
        for mark in FINAL.finditer(text, start):
            start, strategy = mark.end(), "final-answer"
        value = text[start:].strip()
        if not value:
            return None
        begin = text.index(value, start)
        return Extraction(value, strategy, (begin, begin + len(value)))

    def equal(self, predicted: str, expected: str) -> bool:
        """Whether both are the same grid."""
        return _lines(predicted) == _lines(expected)


def _lines(grid: str) -> list[str]:
    return [line.strip() for line in grid.strip().splitlines()]
