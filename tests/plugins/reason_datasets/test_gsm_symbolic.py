"""`gsm-symbolic`: clean, true, repeatable problems, and a clear word when reasoning-gym is missing."""

from __future__ import annotations

import re
import sys
from fractions import Fraction
from itertools import islice

import pytest
from reason_answers.number import Number
from reason_datasets.gsm_symbolic import GSMSymbolic

from reason_cli import BadRow, NoOptions, ReasonError

symbolic = GSMSymbolic()


def test_a_row() -> None:
    row = {
        "question": "Mia has 6 eggs and doubles them.  How many? Give the result as your final answer."
        " Do not include units.",
        "solution": "6 x 2 = 12.0 eggs.\n12.0 eggs cost $1,200.05.\n#### 12.0",
        "answer": "1,200",
    }
    example = symbolic.format(row, NoOptions())
    assert example.question == "Mia has 6 eggs and doubles them. How many?"
    assert example.reasoning == "6 x 2 = 12 eggs.\n12 eggs cost $1,200.05."
    assert (example.answer, example.tags) == ("1200", {"steps": 2})


def test_a_row_without_a_mark_says_so() -> None:
    with pytest.raises(BadRow, match="no '####' at the end of column 'solution'"):
        symbolic.format({"question": "q", "solution": "12", "answer": "12"}, NoOptions())


def test_an_unknown_split_is_refused_at_once() -> None:
    with pytest.raises(ReasonError, match="gsm-symbolic has no split 'dev'"):
        symbolic.generate("dev", 0, NoOptions())


def test_a_missing_reasoning_gym_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(ReasonError, match="needs reasoning-gym") as caught:
        symbolic.generate("train", 0, NoOptions())
    assert caught.value.hint == "pip install reasoning-gym"


class TestGenerated:
    """What reasoning-gym's templates give."""

    @pytest.fixture(scope="class", autouse=True)
    def gym(self) -> None:
        pytest.importorskip("reasoning_gym")

    def rows(self, split: str, seed: int, count: int) -> list[dict]:
        return list(islice(symbolic.generate(split, seed, NoOptions()), count))

    def test_the_same_seed_gives_the_same_rows(self) -> None:
        assert self.rows("train", 3, 200) == self.rows("train", 3, 200)
        assert self.rows("train", 3, 200) != self.rows("train", 4, 200)

    def test_splits_are_disjoint_and_questions_unique(self) -> None:
        train = {row["question"] for seed in (0, 1) for row in self.rows("train", seed, 4_000)}
        test = [row["question"] for row in self.rows("test", 1, 1_500)]
        assert len(set(test)) == len(test)
        assert not train & set(test)

    def test_examples_are_clean_and_their_lines_true(self) -> None:
        product = re.compile(r"(?<![\d.+*/x÷×-] )(?<![\d.,+*/x÷×-])\b(\d+) ?[x*×] ?(\d+) ?= ?[$£€]?(\d+)\b(?![.,/%])")
        checked, number = 0, Number()
        for row in self.rows("train", 0, 3_000):
            example = symbolic.format(row, NoOptions())
            text = f"{example.question}\n{example.reasoning}"
            assert "Do not include units" not in text
            assert "####" not in text
            assert not re.search(r"\.\d{5}|\d\.0\b(?!\.)|  ", text), text
            for left, right, result in product.findall(example.reasoning):
                checked += 1
                assert int(left) * int(right) == int(result), example.reasoning
            value = number.extract(f"**Final Answer:** {example.answer}")
            assert value is not None
            assert Fraction(value.value) == Fraction(row["solution"].rpartition("####")[2].strip().replace(",", ""))
        assert checked > 1_000
