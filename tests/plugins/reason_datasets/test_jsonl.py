"""`jsonl`: named columns, numbers as exact text, and reasons for rows that cannot be read."""

from __future__ import annotations

import json

import pytest
from reason_datasets.jsonl import Jsonl, JsonlOptions

from reason_cli import BadRow, Example

jsonl = Jsonl()


def test_the_default_columns() -> None:
    row = {"question": " How many? ", "answer": "7", "other": 1}
    assert jsonl.format(row, JsonlOptions()) == Example("How many?", "", "7")


def test_named_columns() -> None:
    options = JsonlOptions(question="input", answer="target", reasoning="steps")
    row = {"input": "How many?", "target": 51.0, "steps": "50 + 1 = 51"}
    assert jsonl.format(row, options) == Example("How many?", "50 + 1 = 51", "51")


def test_an_empty_reasoning_is_no_fault() -> None:
    row = {"question": "How many?", "answer": "7", "why": ""}
    assert jsonl.format(row, JsonlOptions(reasoning="why")).reasoning == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[("51.0", "51"), ("51", "51"), ("-3", "-3"), ("0.1", "0.1"), ("2.50", "2.5"), ("1e21", "1" + "0" * 21)],
        *[("1e-7", "0.0000001"), ("100.0", "100"), ("-0.0", "0"), ("12345678901234567890", "12345678901234567890")],
        *[("3244047.0999999996", "3244047.0999999996"), ("true", "true"), ('"51.0"', "51.0")],
    ],
)
def test_numbers_become_exact_text(value: str, text: str) -> None:
    row = json.loads(f'{{"question": "q", "answer": {value}}}')
    assert jsonl.format(row, JsonlOptions()).answer == text


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"question": "q"}, "no column 'answer'; the columns are: question"),
        ({}, "no column 'question'; the columns are: none"),
        ({"question": "q", "answer": None}, "column 'answer' is null, not text or a number"),
        ({"question": "q", "answer": ""}, "column 'answer' is empty"),
        ({"question": "q", "answer": ["7"]}, "column 'answer' is list, not text or a number"),
        ({"question": "q", "answer": float("nan")}, "column 'answer' is not finite"),
        ({"question": " ", "answer": "7"}, "column 'question' is empty"),
        ([], "the row is a list, not an object"),
    ],
)
def test_malformed_rows_say_why(row: dict, reason: str) -> None:
    with pytest.raises(BadRow, match=reason):
        jsonl.format(row, JsonlOptions())
