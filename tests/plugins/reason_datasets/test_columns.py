"""`columns`: the schema is detected, named, or refused; numbers become exact text; bad rows say why."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from reason_datasets.column_rows import ColumnsOptions
from reason_datasets.columns import Columns

from reason_cli import BadRow, Chat, Example, Item, ReasonError, Text, Turn, testing

columns = Columns()
NOTHING = ColumnsOptions()
PROSE = "It is a long story, and it has no end that anyone could write behind a mark. " * 3


def read(row: dict[str, Any], **options: str) -> Item | None:
    """What one row says when it is the first of its file."""
    asked = ColumnsOptions(**options)
    return columns.format(row, columns.fit([row], asked))


def shown(row: dict[str, Any], **options: str) -> str:
    return columns.describe(columns.fit([row], ColumnsOptions(**options)))


# --- detection ---------------------------------------------------------------------------------------------

DETECTED = [
    ({"question": "2 + 2?", "answer": "4"}, "question <- question, answer <- answer"),
    ({"id": 1, "problem": "2 + 2?", "target": 4.0}, "question <- problem, answer <- target"),
    ({"Question": "2 + 2?", "Final_Answer": "4"}, "question <- Question, answer <- Final_Answer"),
    ({"query": "2 + 2?", "response": "4", "type": "x"}, "question <- query, answer <- response"),
    ({"input": "2 + 2?", "output": "4"}, "question <- input, answer <- output"),
    ({"instruction": "Add.", "input": "2, 2", "output": "4"}, "question <- instruction + input, answer <- output"),
    ({"output": "4", "input": "2, 2", "instruction": "Add."}, "question <- instruction + input, answer <- output"),
    ({"instruction": "Add.", "output": PROSE}, "question <- instruction, reply <- output"),
    (
        {"question": "2 + 2?", "rationale": "It is 4.", "answer": "4"},
        "question <- question, reasoning <- rationale, answer <- answer",
    ),
    (
        {"problem": "2 + 2?", "solution": "It is 4.", "answer": "4"},
        "question <- problem, reasoning <- solution, answer <- answer",
    ),
    ({"problem": "2 + 2?", "solution": "It is 4."}, "question <- problem, answer <- solution"),
    ({"prompt": "2 + 2?", "completion": "It is\n4."}, "question <- prompt, reply <- completion"),
    ({"question": "2 + 2?", "answer": "2 + 2 = 4\n#### 4"}, "question <- question, answer <- answer after '####'"),
    ({"messages": [{"role": "user", "content": "Hi"}], "prompt": "Hi"}, "messages <- messages"),
    ({"conversations": [{"from": "human", "value": "Hi"}]}, "messages <- conversations"),
    ({"text": "A story.", "id": 7}, "text <- text"),
    ({"content": "int x;", "path": "a.c"}, "text <- content"),
    ({"code": "int x;"}, "text <- code"),
    ({"story": "Once."}, "text <- story"),
]


@pytest.mark.parametrize(("row", "line"), DETECTED, ids=[line for _, line in DETECTED])
def test_the_schema_is_detected_and_shown(row: dict[str, Any], line: str) -> None:
    assert shown(row) == line


REFUSED = [
    (
        {"question": "q", "answer": "a", "response": "b"},
        "can be read in 2 ways: question -> answer; question -> response",
    ),
    ({"question": "q", "prompt": "p", "answer": "a"}, "in 2 ways: question -> answer; prompt -> answer"),
    ({"question": "q", "answer": "a", "text": "q a"}, "in 2 ways: question -> answer; text text"),
    ({"text": "a", "content": "b"}, "in 2 ways: text text; text content"),
    (
        {"messages": [{"role": "user", "content": "Hi"}], "question": "q", "answer": "a"},
        "in 2 ways: question -> answer; conversation messages",
    ),
    ({"foo": "a", "bar": "b"}, "no telling what the columns hold: foo, bar"),
    ({"question": "q", "label": "a"}, "no telling what the columns hold: question, label"),
]


@pytest.mark.parametrize(("row", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_can_be_read_in_several_ways_or_none_is_refused(row: dict[str, Any], message: str) -> None:
    with pytest.raises(ReasonError, match=message) as caught:
        columns.fit([row], NOTHING)
    assert '--text-column "question,answer"' in caught.value.hint


def test_a_column_that_only_later_rows_have_counts() -> None:
    rows = [{"instruction": "Add 2 and 2.", "output": "4"}, {"instruction": "Add.", "input": "1, 2", "output": "3"}]
    options = columns.fit(rows, NOTHING)
    assert columns.describe(options) == "question <- instruction + input, answer <- output"
    assert columns.format(rows[0], options) == Example("Add 2 and 2.", "", "4")
    assert columns.format(rows[1], options) == Example("Add.\n\n1, 2", "", "3")


def test_half_of_the_values_tell_prose_from_answers() -> None:
    def described(*answers: str) -> str:
        return columns.describe(columns.fit([{"question": "q", "answer": a} for a in answers], NOTHING))

    assert described("4", "5", PROSE) == "question <- question, answer <- answer"
    assert described("4", PROSE, PROSE) == "question <- question, reply <- answer"
    assert described("x" * 100) == "question <- question, answer <- answer"
    assert described("x" * 101) == "question <- question, reply <- answer"
    assert described("4\n5", "4\n5", "4") == "question <- question, reply <- answer"
    assert described("a\n#### 4", "b\n#### 5") == "question <- question, answer <- answer after '####'"
    assert described("a #### 4", "5") == "question <- question, answer <- answer"


@pytest.mark.parametrize("row", [row for row, _ in DETECTED], ids=[line for _, line in DETECTED])
def test_what_is_settled_stays(row: dict[str, Any]) -> None:
    options = columns.fit([row], NOTHING)
    assert columns.fit([row], options) == options
    assert columns.fit([row], ColumnsOptions()) == options


def test_nothing_is_read_into_no_rows() -> None:
    assert columns.fit([], NOTHING) == NOTHING
    assert columns.describe(NOTHING) == ""


# --- naming ------------------------------------------------------------------------------------------------

NAMED = [
    ({"text_column": "input,target"}, {"input": "How?", "target": 51.0}, Example("How?", "", "51")),
    ({"text_column": "a, b ,c"}, {"a": "Add.", "b": "1, 2", "c": "3"}, Example("Add.\n\n1, 2", "", "3")),
    ({"text_column": "a,b,c"}, {"a": "Add 1.", "b": "", "c": "3"}, Example("Add 1.", "", "3")),
    ({"text_column": "a,b,c"}, {"a": "Add 1.", "b": None, "c": "3"}, Example("Add 1.", "", "3")),
    ({"text_column": "b"}, {"a": "q", "b": " A story. "}, Text(" A story. ")),
    (
        {"text_column": "a,b"},
        {"a": "Tell.", "b": PROSE},
        Chat((Turn("user", "Tell."), Turn("assistant", PROSE.strip()))),
    ),
    ({"question": "a", "answer": "b"}, {"a": "q", "b": "x", "text": "t"}, Example("q", "", "x")),
    ({"question": "a", "answer": "b", "reasoning": "c"}, {"a": "q", "b": "x", "c": "why"}, Example("q", "why", "x")),
    ({"question": "a", "answer": "b", "reasoning": "c"}, {"a": "q", "b": "x", "c": None}, Example("q", "", "x")),
    ({"answer": "answer"}, {"question": "q", "answer": PROSE}, Example("q", "", PROSE.strip())),
    ({"answer": "target"}, {"question": "q", "target": 3, "answer": "4"}, Example("q", "", "3")),
    ({"question": "a"}, {"a": "q", "answer": "4", "question": "p"}, Example("q", "", "4")),
    ({"reply": "answer"}, {"question": "q", "answer": "4"}, Chat((Turn("user", "q"), Turn("assistant", "4")))),
    ({"text": "question"}, {"question": "q", "answer": "4"}, Text("q")),
    ({"mark": "The answer is:"}, {"question": "q", "answer": "a\nThe answer is: 4"}, Example("q", "a", "4")),
    (
        {"mark": "####", "reasoning": "why"},
        {"question": "q", "answer": "2 + 2\n#### 4", "why": "Add."},
        Example("q", "Add.\n2 + 2", "4"),
    ),
    (
        {"messages": "talk"},
        {
            "talk": [
                {"from": "system", "value": "Be brief."},
                {"from": "human", "value": "Hi"},
                {"from": "gpt", "value": "Ho"},
            ]
        },
        Chat((Turn("system", "Be brief."), Turn("user", "Hi"), Turn("assistant", "Ho"))),
    ),
    ({"messages": "talk"}, {"talk": [{"role": "user", "content": "Hi"}]}, None),
]


@pytest.mark.parametrize(("options", "row", "item"), NAMED, ids=lambda value: str(value)[:40])
def test_named_columns(options: dict[str, str], row: dict[str, Any], item: Item | None) -> None:
    assert read(row, **options) == item


@pytest.mark.parametrize(
    "options",
    [{"text_column": "x,answer"}, {"question": "x"}, {"answer": "x"}, {"text": "x"}, {"messages": "x"}, {"reply": "x"}],
)
def test_a_named_column_must_be_there(options: dict[str, str]) -> None:
    with pytest.raises(ReasonError, match="no column 'x'; the columns are: question, answer"):
        read({"question": "q", "answer": "a"}, **options)


def test_a_row_tells_by_itself_where_nobody_looked_at_the_first_rows() -> None:
    assert columns.format({"question": " How many? ", "answer": "7"}, NOTHING) == Example("How many?", "", "7")
    named = ColumnsOptions(text_column="input,target")
    assert columns.format({"input": "How many?", "target": 51.0}, named) == Example("How many?", "", "51")


# --- rows --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[("51.0", "51"), ("51", "51"), ("-3", "-3"), ("0.1", "0.1"), ("2.50", "2.5"), ("1e21", "1" + "0" * 21)],
        *[("1e-7", "0.0000001"), ("100.0", "100"), ("-0.0", "0"), ("12345678901234567890", "12345678901234567890")],
        *[("3244047.0999999996", "3244047.0999999996"), ("true", "true"), ('"51.0"', "51.0")],
    ],
)
def test_numbers_become_exact_text(value: str, text: str) -> None:
    item = read(json.loads(f'{{"question": "q", "answer": {value}}}'))
    assert isinstance(item, Example) and item.answer == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("2.50", "2.5"), ("4", "4"), ("-0.00", "0"), ("1E+3", "1000"), ("0." + "1" * 40, "0." + "1" * 40)],
)
def test_decimals_of_a_table_do_too(value: str, text: str) -> None:
    assert read({"question": "q", "answer": Decimal(value)}) == Example("q", "", text)
    with pytest.raises(BadRow, match="column 'answer' is Decimal"):
        read({"question": "q", "answer": Decimal("NaN")})


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
        columns.format(row, columns.fit([{"question": "q", "answer": "7"}], NOTHING))


def test_a_row_without_the_mark_says_so() -> None:
    options = columns.fit([{"question": "q", "answer": "a\n#### 7"}], NOTHING)
    for answer in ("a\n7", "a\n####  "):
        with pytest.raises(BadRow, match="no answer after '####' in column 'answer'"):
            columns.format({"question": "q", "answer": answer}, options)


def test_blank_columns_of_a_joined_question() -> None:
    options = columns.fit([{"instruction": "i", "input": "j", "output": "k"}], NOTHING)
    with pytest.raises(BadRow, match="columns 'instruction' and 'input' are empty"):
        columns.format({"instruction": " ", "input": "", "output": "k"}, options)


@pytest.mark.parametrize("row", [row for row, _ in DETECTED], ids=[line for _, line in DETECTED])
def test_the_contract(row: dict[str, Any]) -> None:
    testing.check_dataset(columns, [row])
