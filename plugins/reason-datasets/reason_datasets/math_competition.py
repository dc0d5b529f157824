"""`math`: competition mathematics with worked solutions in LaTeX (Hendrycks and others, 2021).

The answer stands in the last box of the solution, which is the reasoning as it is. Columns and the 7,500 and 5,000
rows are from the cards of the mirrors and from code that loads the first of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reason_cli import BadRow, Example
from reason_datasets.answers import boxed
from reason_datasets.fields import tags_of, text_of


def read(row: Mapping[str, Any], options: Any) -> Example:
    """What a row says."""
    problem, solution = text_of(row, "problem"), text_of(row, "solution")
    answer = boxed(solution)
    if not answer:
        raise BadRow(r"no answer in a \boxed{} in column 'solution'")
    return Example(problem, solution, answer, tags_of(row, "level", "type"))
