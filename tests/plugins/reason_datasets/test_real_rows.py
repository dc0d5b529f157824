"""Every row of the local copies is read, and its answer read back by the extractor of its dataset."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import reason_answers
import reason_datasets

from reason_cli import Example

DATA = Path(os.environ.get("REASON_DATA") or "no-such-folder")
FORMATTERS = {formatter.name: formatter for formatter in reason_datasets.register_datasets()}
EXTRACTORS = {extractor.name: extractor for extractor in reason_answers.register_extractors()}

SPLITS = [("gsm8k", "train", 7_473), ("gsm8k", "test", 1_319), ("gsm-hard", "test", 1_319), ("svamp", "test", 1_000)]


def rows(name: str, split: str) -> list[Mapping[str, Any]]:
    path = DATA / name / f"{split}.jsonl"
    if not path.is_file():
        pytest.skip(f"REASON_DATA has no {name}/{split}.jsonl")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(("name", "split", "count"), SPLITS)
def test_every_answer_is_read_back(name: str, split: str, count: int) -> None:
    formatter = FORMATTERS[name]
    extractor = EXTRACTORS[formatter.extractor]
    read = 0
    for row in rows(name, split):
        example = formatter.format(row, formatter.Options())
        assert isinstance(example, Example)
        found = extractor.extract(f"<think>\n{example.reasoning}\n</think>\n\n**Final Answer:** {example.answer}")
        assert found and found.strategy == "final-answer"
        assert extractor.correct(found.value, example)
        read += 1
    assert read == count


@pytest.mark.parametrize(("split", "commas", "marks", "without"), [("train", 79, 23_716, 95), ("test", 14, 4_282, 18)])
def test_the_counts_of_gsm8k(split: str, commas: int, marks: int, without: int) -> None:
    gsm8k = FORMATTERS["gsm8k"]
    total: Counter[str] = Counter()
    for row in rows("gsm8k", split):
        total.update(gsm8k.counts(row, gsm8k.Options()))
    assert total == {
        "answers with a thousands comma": commas,
        "calculator marks": marks,
        "rows without calculator marks": without,
        "calculator marks that are false": 0,
        "calculator marks without a number for a result": int(split == "test"),
    }


def test_the_targets_of_gsm_hard() -> None:
    answers = [FORMATTERS["gsm-hard"].format(row, None).answer for row in rows("gsm-hard", "test")]  # type: ignore
    assert sum("." not in answer for answer in answers) == 1_016
    assert sum(answer.startswith("-") for answer in answers) == 146
    assert not any("e" in answer for answer in answers)
    assert "3244047.0999999996" in answers


def test_the_targets_of_svamp_are_whole() -> None:
    for row in rows("svamp", "test"):
        example = FORMATTERS["svamp"].format(row, None)
        assert isinstance(example, Example) and example.answer == str(int(row["target"]))
