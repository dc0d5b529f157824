"""`metamath`: GSM8K's and MATH's training questions, rephrased and turned around, with solutions.

Responses end with `The answer is: N`, those of GSM8K with a line `#### N` before it; both are taken off. Columns
are from code that loads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reason_cli import BadRow, Example
from reason_datasets.answers import split_marked
from reason_datasets.fields import tags_of, text_of


def read(row: Mapping[str, Any], options: Any) -> Example:
    """What a row says."""
    question = text_of(row, "query")
    reasoning, answer = split_marked(text_of(row, "response"))
    if not answer:
        raise BadRow("no 'The answer is: …' in column 'response'")
    return Example(question, reasoning, answer, tags_of(row, "type"))
