"""`sudoku`, `maze`, `grid`: one solution each, no puzzle in two splits, the solved grid alone is right."""

from itertools import islice, product

import pytest
from reason_datasets.puzzles import BOXES, GridAnswers, Maze, MazeOptions, Sudoku, SudokuOptions, rows

from reason_cli import BadRow, ReasonError


def made(formatter, options, count, split="train", seed=0):
    return list(islice(formatter.generate(split, seed, options), count))


def solutions(question, size):
    """All solutions, by trying every digit everywhere."""
    cells = [int(c) for c in question.replace("\n", "")]
    height, width = BOXES[size]

    def clashes(at, digit):
        row, column = divmod(at, size)
        for other, held in enumerate(cells):
            r, c = divmod(other, size)
            box = (r // height, c // width) == (row // height, column // width)
            if held == digit and other != at and (r == row or c == column or box):
                return True
        return False

    def fill(at):
        if at == len(cells):
            found.append("".join(map(str, cells)))
        elif cells[at]:
            fill(at + 1)
        else:
            for digit in range(1, size + 1):
                if not clashes(at, digit):
                    cells[at] = digit
                    fill(at + 1)
            cells[at] = 0

    found = []
    fill(0)
    return found


@pytest.mark.parametrize(("size", "count"), [(4, 30), (6, 5)])
def test_a_sudoku_has_the_one_solution_that_it_is_told_with(size, count):
    for row in made(Sudoku(), SudokuOptions(size=size), count):
        assert solutions(row["question"], size) == [row["answer"].replace("\n", "")]
        assert sum(c in "123456789" for c in row["question"]) == row["difficulty"] >= size * size // 4


def test_a_large_sudoku_is_solved_by_the_rules():
    row = made(Sudoku(), SudokuOptions(size=9, clues=40), 1)[0]
    lines = row["answer"].split("\n")
    boxes = ["".join(lines[r + i][c + j] for i, j in product(range(3), repeat=2)) for r in (0, 3, 6) for c in (0, 3, 6)]
    for unit in [*lines, *map("".join, zip(*lines, strict=True)), *boxes]:
        assert sorted(unit) == list("123456789")
    given = [(q, a) for q, a in zip(row["question"], row["answer"], strict=True) if q != "0"]
    assert all(q == a for q, a in given) and row["difficulty"] >= 40


def test_clues_are_a_number_that_is_given_at_least():
    few, many = (made(Sudoku(), SudokuOptions(clues=clues), 50) for clues in (0, 10))
    assert min(row["difficulty"] for row in many) == 10
    assert sum(row["difficulty"] for row in few) < 8 * 50


def test_no_puzzle_is_in_two_splits_even_with_its_digits_renamed():
    def renamed(row):
        names = {}
        return "".join(c if c in "0\n" else names.setdefault(c, str(len(names) + 1)) for c in row["question"])

    kinds = {
        split: {renamed(row) for row in made(Sudoku(), SudokuOptions(clues=8), 400, split)} for split in Sudoku.splits
    }
    assert len(kinds["test"]) > 200 and not kinds["train"] & kinds["test"]


def test_options_that_leave_few_puzzles_end_the_stream(monkeypatch):
    monkeypatch.setattr(rows, "PATIENCE", 3000)
    every = made(Sudoku(), SudokuOptions(clues=16), 10_000, "train") + made(
        Sudoku(), SudokuOptions(clues=16), 10_000, "test"
    )
    assert len(every) == 288  # the solved grids of 4x4


@pytest.mark.parametrize("options", [SudokuOptions(size=5), SudokuOptions(clues=17)], ids=str)
def test_sudokus_that_cannot_be_are_refused(options):
    with pytest.raises(ReasonError, match="sudoku: ") as refused:
        Sudoku().generate("train", 0, options)
    assert refused.value.usage


def paths(grid):
    """The lengths of all shortest ways from S to G, walked step by step without a count of ways."""
    cells = {(r, c): cell for r, line in enumerate(grid) for c, cell in enumerate(line) if cell != "x"}
    front = [next([place] for place, cell in cells.items() if cell == "S")]
    while not any(cells[walk[-1]] == "G" for walk in front):
        front = [
            [*walk, place]
            for walk in front
            for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0))
            if (place := (walk[-1][0] + dr, walk[-1][1] + dc)) in cells and place not in walk
        ]
    return [walk for walk in front if cells[walk[-1]] == "G"]


def test_a_maze_is_answered_by_its_only_shortest_path():
    for row in made(Maze(), MazeOptions(size=6, walls=0.4), 40):
        question, answer = row["question"].split("\n"), row["answer"].split("\n")
        (walk,) = paths(question)
        assert len(walk) - 1 == row["difficulty"] >= 6
        marked = {(r, c) for r, line in enumerate(answer) for c, cell in enumerate(line) if cell == "*"}
        assert marked == set(walk[1:-1])
        assert row["answer"].replace("*", "o") == row["question"]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("12\n21", True),
        (" 12 \n21\n", True),
        ("<think>\n12\n11\n</think>\n\n**Final Answer:** 12\n21", True),
        ("12\n22", False),
        ("1221", False),
        ("12\n21\n12", False),
        ("1 2\n2 1", False),
        ("1.2\n21", False),
    ],
)
def test_the_solved_grid_alone_is_right(text, right):
    grid = GridAnswers()
    found = grid.extract(text)
    assert found and grid.equal(found.value, "12\n21") is right
    assert text[slice(*found.span)] == found.value


def test_a_row_whose_grids_differ_in_shape_is_bad():
    with pytest.raises(BadRow, match="different shapes"):
        Sudoku().format({"question": "12\n2.", "answer": "1221", "difficulty": 3}, SudokuOptions())
