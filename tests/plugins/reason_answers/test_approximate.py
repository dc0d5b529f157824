"""`approximate`: what `number` finds, equal within a thousandth or a millionth."""

from __future__ import annotations

import pytest
from reason_answers.approximate import Approximate

from reason_cli import testing

approximate = Approximate()

SAME = [
    *[("3244047.0999999996", "3244047.1"), ("3244047.1", "3,244,047"), ("51", "51.0"), ("0.3333", "1/3")],
    *[("2", "2.001"), ("-5", "-5.0009"), ("9007199254740993", "9007199254740992"), ("0", "-0.001"), ("$1,200", "1200")],
]
DIFFERENT = [
    *[("2", "2.0011"), ("51", "52"), ("51", "-51"), ("1000000", "1000001.1"), ("", ""), ("none", "none")],
    *[("0.333", "1/3 and more" * 200), ("51", "x"), ("3244047", "3244051")],
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_near_enough(left: str, right: str) -> None:
    assert approximate.equal(left, right)
    assert approximate.equal(right, left)


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_too_far(left: str, right: str) -> None:
    assert not approximate.equal(left, right)
    assert not approximate.equal(right, left)


def test_it_finds_what_number_finds() -> None:
    found = approximate.extract("<think>\n1\n</think>\n\n**Final Answer:** 3244047.0999999996")
    assert found and (found.value, found.strategy) == ("3244047.0999999996", "final-answer")


def test_the_contract() -> None:
    testing.check_extractor(approximate, {"#### 1,200": "1200.0005"})
