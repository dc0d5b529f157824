"""The real GSM8K and GSM-Hard: contamination, duplicates and marks, with the counts that are known of them."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from reason_cli.calculator import evaluate
from reason_cli.engine.contamination import QUESTION, SHARED_GRAM, TestQuestions, question_key
from reason_cli.engine.duplicates import NEAR, jaccard, near_duplicates, shingles

pytestmark = pytest.mark.skipif("REASON_DATA" not in os.environ, reason="REASON_DATA names no folder of datasets")


@cache
def rows(path: str) -> list[dict[str, str]]:
    with (Path(os.environ["REASON_DATA"]) / path).open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@pytest.fixture(scope="module")
def gsm8k_test():
    questions = TestQuestions()
    questions.add("gsm8k:test", [row["question"] for row in rows("gsm8k/test.jsonl")])
    return questions


def test_gsm_hard_holds_329_of_gsm8ks_test_questions(gsm8k_test):
    kinds = Counter(match.kind for row in rows("gsm-hard/test.jsonl") for match in gsm8k_test.matches(row["input"]))
    assert kinds == {QUESTION: 329, SHARED_GRAM: 972}


def test_gsm8ks_training_questions_are_none_of_its_test_questions(gsm8k_test):
    found = [m for row in rows("gsm8k/train.jsonl") for m in gsm8k_test.matches(row["question"], row["answer"])]
    assert Counter(match.kind for match in found) == {SHARED_GRAM: 4}


def test_svamp_shares_nothing_with_gsm8k(gsm8k_test):
    assert not [m for row in rows("svamp/test.jsonl") for m in gsm8k_test.matches(row["input"])]


def test_gsm8k_repeats_no_question_and_has_the_near_duplicates_of_the_full_comparison():
    questions = [row["question"] for row in rows("gsm8k/train.jsonl")]
    assert len({question_key(question) for question in questions}) == len(questions)
    assert near_duplicates(questions) == pairs_by_full_comparison(questions)


def pairs_by_full_comparison(questions: list[str]) -> dict[int, int]:
    """Every pair that shares a shingle, compared; good for so few near ones that none leads to another."""
    sets = [shingles(question) for question in questions]
    holders: dict[tuple[str, ...], list[int]] = {}
    near: dict[int, int] = {}
    for index, own in enumerate(sets):
        for i in sorted({i for shingle in own for i in holders.get(shingle, ())}):
            if jaccard(own, sets[i]) >= NEAR:
                near.setdefault(index, i)
        for shingle in own:
            holders.setdefault(shingle, []).append(index)
    return near


def marks(path: str) -> list[tuple[str, str]]:
    """Expression and result of every `<<a=b>>`."""
    found = [mark for row in rows(path) for mark in re.findall(r"<<(.*?)>>", row["answer"])]
    return [(expression, result) for expression, _, result in (mark.partition("=") for mark in found)]


def test_every_training_mark_has_the_calculators_value():
    found = marks("gsm8k/train.jsonl")
    assert len(found) == 23_716
    assert [m for m in found if Fraction(evaluate(m[0]) or "1/7") != Fraction(m[1])] == []


def test_every_test_mark_but_one_written_as_a_fraction_has_it_too():
    found = marks("gsm8k/test.jsonl")
    assert len(found) == 4_282
    odd = [(*m, evaluate(m[0])) for m in found if "/" in m[1] or Fraction(evaluate(m[0]) or "1/7") != Fraction(m[1])]
    assert odd == [("3/4", "3/4", "0.75")]
