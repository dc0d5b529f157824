"""The rules for numbers in words, scales, times and ratios, each with answers that are right and wrong."""

from __future__ import annotations

from fractions import Fraction

import pytest
from reason_answers import words
from reason_answers.number import Number

number = Number()
MARK = "**Final Answer:** "

RULES: dict[str, list[tuple[str, str, bool]]] = {
    "words": [
        *[("seven", "7", True), ("Seven", "7", True), ("SEVEN", "7", True), ("seven marbles", "7", True)],
        *[("zero", "0", True), ("twelve", "12", True), ("twenty-five", "25", True), ("twenty five", "25", True)],
        *[("Seventy\u2011two", "72", True), ("one hundred", "100", True), ("a hundred", "100", True)],
        *[("one hundred and five", "105", True), ("one hundred five", "105", True), ("twelve hundred", "1200", True)],
        *[("three hundred forty-two", "342", True), ("two thousand and sixteen", "2016", True)],
        *[("one million two hundred thousand", "1200000", True), ("nineteen", "19", True), ("forty", "40", True)],
        *[("one thousand, two hundred", "1200", True), ("about seven", "7", True), ("exactly **seven**", "7", True)],
        *[("\\text{seven}", "7", True), ("seven (7)", "7", True), ("she has seven left", "7", True)],
        *[("minus five", "-5", True), ("negative five", "-5", True), ("three point one four", "3.14", True)],
        *[("one", "1", True), ("only one", "1", True), ("one marble", "1", True), ("seven (3 more than 4)", "7", True)],
        *[("seven", "8", False), ("seven", "17", False), ("seventy", "7", False), ("seventeen", "70", False)],
        *[("twenty-five", "20", False), ("twenty-five", "5", False), ("one hundred and five", "100", False)],
        *[("minus five", "5", False), ("no marbles", "0", False), ("none", "1", False), ("someone", "1", False)],
        *[("no one", "1", False), ("one of them", "1", False), ("twenty-first", "20", False), ("weight", "8", False)],
        *[("often", "10", False), ("hundreds", "100", False), ("a few", "2", False), ("a seven-year plan", "7", False)],
        *[("the two boys have 72", "2", False), ("the two boys have 72", "72", True), ("the second", "2", False)],
    ],
    "fractions in words": [
        *[("half", "0.5", True), ("a half", "1/2", True), ("one half", "0.5", True), ("one-half", "1/2", True)],
        *[("one and a half", "1.5", True), ("two and a half hours", "2.5", True), ("three quarters", "0.75", True)],
        *[("three-quarters", "3/4", True), ("two thirds", "2/3", True), ("two-thirds of it", "2/3", True)],
        *[("one third", "1/3", True), ("a quarter", "0.25", True), ("three and three quarters", "3.75", True)],
        *[("five eighths", "0.625", True), ("four fifths", "0.8", True), ("a third", "1/3", True)],
        *[("one and a half", "1", False), ("one and a half", "0.5", False), ("half", "2", False)],
        *[("three quarters", "3", False), ("two thirds", "2", False), ("two third graders", "2/3", False)],
        *[("two thirds", "0.67", False), ("half", "1", False), ("the third", "1/3", False)],
    ],
    "scales": [
        *[("1.5 million", "1500000", True), ("$1.5 million", "1500000", True), ("2 thousand", "2000", True)],
        *[("2 Thousand", "2000", True), ("3 hundred", "300", True), ("2 hundred thousand", "200000", True)],
        *[("3k", "3000", True), ("3K", "3000", True), ("$3.5k", "3500", True), ("3M", "3000000", True)],
        *[("2 billion", "2e9", True), ("1.5\\text{ million}", "1500000", True), ("half a million", "500000", True)],
        *[("two and a half million", "2500000", True), ("two dozen", "24", True), ("a dozen", "12", True)],
        *[
            ("3 dozen eggs", "36", True),
            ("half a dozen", "6", True),
            ("2½ dozen", "30", True),
            ("2 lakh", "200000", True),
        ],
        *[("seventy-two thousand", "72000", True), ("one and a half dozen", "18", True), ("5 dozens", "60", True)],
        *[("1.5 million", "1.5", False), ("1.5 million", "15000000", False), ("2 thousand", "2", False)],
        *[("3m", "3000000", False), ("3m", "3", True), ("3 km", "3000", False), ("3 M", "3000000", False)],
        *[("3kg", "3000", False), ("3kg", "3", True), ("two dozen", "2", False), ("dozens", "12", False)],
        *[("a million", "1", False), ("3k", "3", False), ("2 hundredths", "200", False)],
    ],
    "times": [
        *[
            ("3:30", "3:30", True),
            ("3:30 PM", "15:30", True),
            ("3:30 p.m.", "3:30 PM", True),
            ("3:30pm", "3:30 PM", True),
        ],
        *[("15:30", "3:30 PM", True), ("3:30 PM", "3:30", True), ("5 PM", "5:00 PM", True), ("5pm", "17:00", True)],
        *[("5:00", "5", True), ("5 PM", "5", True), ("5:00 PM", "5", True), ("12:00 AM", "0:00", True)],
        *[("12:15 PM", "12:15", True), ("7 a.m.", "7:00 AM", True), ("5 o'clock", "5", True), ("03:30", "3:30", True)],
        *[
            ("3:30\\text{ PM}", "3:30 PM", True),
            ("at 3:30 in the afternoon", "3:30", True),
            ("1:02:03", "1:02:03", True),
        ],
        *[("5 \\text{ p.m.}", "5 PM", True), ("17:00", "17", True), ("9:05", "9:05", True)],
        *[("3:30", "3", False), ("3:30", "30", False), ("3:30", "330", False), ("3:30", "3.5", False)],
        *[("3:30 AM", "15:30", False), ("3:30 AM", "3:30 PM", False), ("3:30", "3:31", False), ("3:30", "4:30", False)],
        *[("15:30", "3:30", False), ("5:30", "5", False), ("17:00", "5", False), ("1:02:03", "1:02", False)],
        *[("5 PM", "6 PM", False), ("5 apples", "5:00 PM", True), ("12:00 PM", "0:00", False)],
        *[("13 PM", "1 PM", False), ("13 PM", "13", True), ("25:00", "1:00", False), ("25:00", "25", False)],
    ],
    "ratios": [
        *[("3:2", "3:2", True), ("6:4", "3:2", True), ("3 : 2", "3:2", True), ("a ratio of 3:2", "3:2", True)],
        *[("1:2:3", "2:4:6", True), ("3:2", "3", False), ("3:2", "2", False), ("3:2", "2:3", False)],
        *[("3:2", "32", False), ("3:2", "1.5", False), ("3:2:1", "3:2", False), ("1:1:1:1:1:1", "1", False)],
        *[("3 to 2", "3", False), ("3:2", "4:2", False)],
    ],
}
CASES = [(rule, *case) for rule, cases in RULES.items() for case in cases]


@pytest.mark.parametrize(("rule", "answer", "gold", "right"), CASES)
def test_the_rule(rule: str, answer: str, gold: str, right: bool) -> None:
    found = number.extract(MARK + answer)
    assert bool(found and number.equal(found.value, gold)) is right, found


@pytest.mark.parametrize(("rule", "answer", "gold", "right"), CASES)
def test_the_span_says_the_value(rule: str, answer: str, gold: str, right: bool) -> None:
    found = number.extract(MARK + answer)
    if found:
        start, end = found.span
        assert number.equal((MARK + answer)[start:end], found.value), found


def test_each_rule_has_right_and_wrong_answers() -> None:
    for rule, cases in RULES.items():
        assert {right for _, _, right in cases} == {True, False}, rule
    assert len(CASES) >= 150


def in_words(value: int) -> str:
    """A whole number below a million, in words."""
    small = {n: word for word, n in (words.UNITS | words.TENS).items() if word != "fourty"}
    if value in small:
        return small[value]
    if value < 100:
        return f"{small[value - value % 10]}-{small[value % 10]}"
    for name, size in (("thousand", 1_000), ("hundred", 100)):
        if value >= size:
            rest = value % size
            return f"{in_words(value // size)} {name}" + (f" {in_words(rest)}" if rest else "")
    raise AssertionError(value)


@pytest.mark.parametrize("low", range(0, 1_000_000, 50_000))
def test_whole_numbers_in_words(low: int) -> None:
    for value in (*range(low, low + 50_000, 997), low // 500, low // 50):
        said = in_words(value)
        found = number.extract(f"The answer is {said}.")
        assert found and found.value == str(value), said
        assert words.parse(said.replace("-", " ").split()) == (Fraction(value), len(said.replace("-", " ").split()))


@pytest.mark.parametrize(
    ("time", "shown"),
    [("3:30 p.m.", "3:30 PM"), ("5 PM", "5:00 PM"), ("03:30", "3:30"), ("15:30", "15:30"), ("6 : 4", "6:4")],
)
def test_times_and_ratios_are_written_in_one_way(time: str, shown: str) -> None:
    found = number.extract(MARK + time)
    assert found and found.value == shown
