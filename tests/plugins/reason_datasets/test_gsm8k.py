"""`gsm8k`: rows as published, malformed rows, and every real row read back by its extractor."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from reason_answers.number import Number
from reason_datasets.benchmarks import GSM8K
from reason_datasets.gsm8k import GSM8KOptions

from reason_cli import BadRow, Example

gsm8k = GSM8K()
STRIP, KEEP = GSM8KOptions(), GSM8KOptions(calculator="keep")
ROW = {
    "question": "A shelf holds 48 jars. Half of them are sold. How many are left?",
    "answer": "48/2 = <<48/2=24>>24 jars are sold.\n48-24 = <<48-24=24>>24 jars are left.\n#### 1,024",
}
DATA = Path(os.environ.get("REASON_DATA") or "no-such-folder") / "gsm8k"


def test_a_published_row() -> None:
    assert gsm8k.format(ROW, STRIP) == Example(
        question=ROW["question"],
        reasoning="48/2 = 24 jars are sold.\n48-24 = 24 jars are left.",
        answer="1024",
        tags={"steps": 2},
    )


def test_calculator_marks_can_be_kept() -> None:
    assert gsm8k.format(ROW, KEEP).reasoning.startswith("48/2 = <<48/2=24>>24 jars")


def test_a_comparison_is_no_calculator_mark() -> None:
    row = {"question": "Which?", "answer": "4 < 4.8 and 5 > 4.8\n#### 5"}
    assert gsm8k.format(row, STRIP).reasoning == "4 < 4.8 and 5 > 4.8"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answer": None}, "column 'answer' is a NoneType, not text"),
        ({"answer": 72}, "column 'answer' is a int, not text"),
        ({"answer": "  "}, "column 'answer' is empty"),
        ({"question": "\n"}, "column 'question' is empty"),
        ({"answer": "it is 72"}, "no '####' before the answer"),
        ({"answer": "so\n#### many"}, "what follows '####' is no number: 'many'"),
        ({"answer": "so\n#### "}, "what follows '####' is no number"),
        ({"answer": "so\n#### 7 2"}, "what follows '####' is no number"),
    ],
)
def test_malformed_rows_say_why(change: dict, reason: str) -> None:
    with pytest.raises(BadRow, match=reason):
        gsm8k.format({**ROW, **change}, STRIP)


def test_a_missing_column_is_named_beside_those_that_are_there() -> None:
    with pytest.raises(BadRow, match="no column 'answer'; the columns are: question, target"):
        gsm8k.format({"question": "How many?", "target": 3}, STRIP)


def test_a_row_that_is_no_object() -> None:
    with pytest.raises(BadRow, match="the row is a list, not an object"):
        gsm8k.format(["question"], STRIP)  # type: ignore[arg-type]


@pytest.mark.skipif(not DATA.is_dir(), reason="REASON_DATA names no folder with gsm8k/ in it")
@pytest.mark.parametrize(("split", "count", "commas"), [("train", 7473, 79), ("test", 1319, 14)])
@pytest.mark.parametrize("options", [STRIP, KEEP], ids=["strip", "keep"])
def test_every_real_row_is_read_back(split: str, count: int, commas: int, options: GSM8KOptions) -> None:
    rows = [json.loads(line) for line in (DATA / f"{split}.jsonl").read_text("utf-8").splitlines()]
    extractor = Number()
    for row in rows:
        example = gsm8k.format(row, options)
        turn = f"<think>\n{example.reasoning}\n</think>\n\n**Final Answer:** {example.answer}"
        found = extractor.extract(turn)
        assert found is not None
        assert (found.value, found.strategy) == (example.answer, "final-answer")
        gold = extractor.extract(row["answer"])
        assert gold is not None
        assert (gold.value, gold.strategy) == (example.answer, "hash")
        assert "####" not in example.reasoning
        assert ("<<" in example.reasoning) == (options is KEEP and "<<" in row["answer"])
    assert len(rows) == count
    assert sum("," in row["answer"].rpartition("####")[2] for row in rows) == commas
