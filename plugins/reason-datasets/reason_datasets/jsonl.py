"""`jsonl`: any local file with one JSON object per line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any

from reason_cli import BadRow, DatasetFormatter, Example, option
from reason_datasets.fields import value_of


@dataclass(frozen=True)
class JsonlOptions:
    """Which columns hold what."""

    question: str = option("question", "column with the question")
    answer: str = option("answer", "column with the answer")
    reasoning: str = option("", "column with the worked solution; empty for none")


class Jsonl(DatasetFormatter):
    """Rows with a question, an answer and, if there is one, how it is solved."""

    name = "jsonl"
    help = "a local .jsonl file with a question and an answer per line"
    suffixes = (".jsonl",)
    Options = JsonlOptions

    def format(self, row: Mapping[str, Any], options: JsonlOptions) -> Example:
        """What a row says."""
        return Example(
            question=_text(row, options.question),
            reasoning=_text(row, options.reasoning, blank=True) if options.reasoning else "",
            answer=_text(row, options.answer),
        )


def _text(row: Mapping[str, Any], column: str, blank: bool = False) -> str:
    value = value_of(row, column)
    text = value.strip() if isinstance(value, str) else _written(value, column)
    if not text and not blank:
        raise BadRow(f"column {column!r} is empty")
    return text


def _written(value: Any, column: str) -> str:
    """A JSON value that is no string, as exact text: 51.0 is 51, and 1e21 has no exponent."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, float) or not isfinite(value):
        kind = "null" if value is None else "not finite" if isinstance(value, float) else type(value).__name__
        raise BadRow(f"column {column!r} is {kind}, not text or a number")
    digits = format(Decimal(repr(value)) + 0, "f")  # the zero takes the sign off -0.0
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
