"""`numinamath-cot5m`: long solutions to competition problems, written by a reasoning model.

A response is thought aloud from beginning to end: it is the reasoning. Columns, split and number of rows are from
the dataset's card.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reason_cli import Example
from reason_datasets.fields import text_of, verdict_of, written_of
from reason_datasets.verdicts import VerdictOptions


def read(row: Mapping[str, Any], options: VerdictOptions) -> Example | None:
    """What a row says; `None` for a wrong solution."""
    question, response = text_of(row, "prompt"), text_of(row, "response")
    answer, correct = written_of(row, "ground_truth"), verdict_of(row, "correct")
    if not correct and options.wrong == "drop":
        return None
    return Example(question, _thought(response), answer, {} if correct else {"correct": "no"})


def _thought(response: str) -> str:
    """What stands in `<think>…</think>`, or everything where there are no such marks."""
    thought, mark, _ = response.partition("</think>")
    return thought.replace("<think>", "").strip() or response if mark else response
