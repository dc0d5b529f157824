"""`phrase`: a few words by mark or place, compared as SQuAD compares them."""

from __future__ import annotations

import pytest
from reason_answers.phrase import Phrase

from reason_cli import Example, testing

phrase = Phrase()

READINGS = [
    ("**Final Answer:** in Rome", "in Rome", "final-answer"),
    ("<think>\nthe answer is Paris\n</think>\n\n**Final Answer:** Rome.", "Rome.", "final-answer"),
    ("#### Rome", "Rome", "hash"),
    ("so \\boxed{Rome}", "Rome", "boxed"),
    ("The answer is **Rome**", "Rome", "the-answer-is"),
    ("I have read it.\n\n  Rome  \n", "Rome", "last-line"),
    ("unanswerable", "unanswerable", "last-line"),
    ("Rome<|im_end|>\n<|im_start|>user\nParis", "Rome", "last-line"),
    (" \n", None, None),
    ("", None, None),
]


@pytest.mark.parametrize(("text", "value", "strategy"), READINGS)
def test_readings(text: str, value: str | None, strategy: str | None) -> None:
    found = phrase.extract(text)
    assert (found and found.value, found and found.strategy) == (value, strategy)
    if found:
        assert text[slice(*found.span)] == found.value


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Rome", "rome."),
        ("the Pope", "Pope"),
        ("a  pen", "Pen"),
        ("An U.S. pen", "US pen"),
        ("...", "..."),
        ("the", "the"),
    ],
)
def test_same(left: str, right: str) -> None:
    assert phrase.equal(left, right)
    assert phrase.equal(right, left)


@pytest.mark.parametrize(("left", "right"), [("Rome", "in Rome"), ("", "Rome"), ("the", "a"), ("Rome", "Paris")])
def test_different(left: str, right: str) -> None:
    assert not phrase.equal(left, right)
    assert not phrase.equal(right, left)


def test_any_accepted_answer_is_right() -> None:
    example = Example("Where?", "", "Rome", reference={"answers": ("Rome", "ancient Rome")})
    assert phrase.correct("Ancient Rome.", example)
    assert phrase.correct("rome", example)
    assert not phrase.correct("Paris", example)
    assert phrase.correct("Rome", Example("Where?", "", "Rome"))


def test_the_contract() -> None:
    testing.check_extractor(phrase, {"**Final Answer:** Rome": "the Rome"})
