"""`openmathinstruct`: solutions that models wrote to GSM8K's and MATH's training questions, right and wrong.

Wrong solutions are left out unless they are asked for; those have the tag `correct: no` and the right answer.
Columns are from the cards as others cite them; rows with `instruction` and `response` are read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reason_cli import BadRow, Example
from reason_datasets.answers import boxed
from reason_datasets.fields import tags_of, text_of, verdict_of, written_of
from reason_datasets.verdicts import VerdictOptions


def read(row: Mapping[str, Any], options: VerdictOptions) -> Example | None:
    """What a row says; `None` for a wrong solution."""
    question = text_of(row, _first(row, "question", "problem", "instruction"))
    solution = text_of(row, _first(row, "generated_solution", "response"))
    answer = written_of(row, "expected_answer") if "expected_answer" in row else _stated(solution)
    correct = verdict_of(row, "is_correct") if "is_correct" in row else True
    if not correct and options.wrong == "drop":
        return None
    tags = {**tags_of(row, "dataset", "problem_source"), **({} if correct else {"correct": "no"})}
    return Example(question, solution, answer, tags)


def _first(row: Mapping[str, Any], *names: str) -> str:
    """The first of the names that is a column; the first of all if none is, for the error to name it."""
    return next((name for name in names if isinstance(row, Mapping) and name in row), names[0])


def _stated(solution: str) -> str:
    answer = boxed(solution)
    if not answer:
        raise BadRow(r"no column 'expected_answer', and no \boxed{} in the solution")
    return answer
