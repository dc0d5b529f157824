"""`number` on texts made to hurt: it never raises, takes linear time, and is the same in every thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from patience import bounded
from reason_answers.number import Number

number = Number()
MEGABYTE = 1_000_000

PIECES = [
    *("9", "{", "\\boxed{", "\\boxed{1\n", "Final Answer: ", "#", "#### ", "1,111", ",111", "1 ", "1/", "1 1/", "-"),
    *("$", "\n", " ", "a\n", "\\frac{1}{", "</think>", "<think>", "answer is ", "therefore ", "9**", "1e", "1e999\n"),
    *("1.", "1 x 10^", "question:\n", "1\nquestion:\n", " \t", "answer  ", "\\", "*", "Check 1\n", "1" * 40 + " "),
    *("and ", "half ", "half half ", "one hundred ", "a half ", "twenty-", "minus ", "one million ", "seven and "),
    *("\u00a0", "1\u00a0", "'", "1'111", "\u2019", "1:", "1:1 ", "3:30 pm ", "½", "⅔\n", "10⁶", "10^", "１，", "∴½"),
    *("1 or ", "1 or 2\n", "between 1 and ", "1-2 ", "(1", "not 1 ", "step 1\n", "\\boxed{1} or ", "no, 1 ", "1, 1"),
    *("<answer>", "<answer>1", "<answer>1</answer>", "</s>", "<think>1</think>", "\n### Problem\n", "\n> > ", "\n#"),
    *("ANSWER: 1\n", "1.1.", "1/1/", "1,11,", "\\pi", "√1", "^1", "1 million ", "1 dozen ", "$$\n", "```\n", ":\n"),
    *("final answer***", "<|im_start|>", "hence 1\n", "= ", "1 = ", "\r", "\u2028", "\u0663"),
]


def read(text: str) -> None:
    with bounded():
        found = number.extract(text)
        number.equal(text, found.value if found else text)


@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_a_megabyte_of_anything(piece: str) -> None:
    text = piece * (MEGABYTE // len(piece))
    read(text)


@pytest.mark.parametrize(
    "marker", ["**Final Answer:** ", "#### ", "<answer>", "\\boxed{", "The answer is ", "Therefore "]
)
@pytest.mark.parametrize("piece", ["9", "1,111", "1/", "{", "1 ", "half ", ":\n"])
def test_a_megabyte_behind_a_marker(marker: str, piece: str) -> None:
    read(marker + piece * (MEGABYTE // len(piece)))


@pytest.mark.parametrize("text", ["9**9**9", "1e999999999", "9e99", "1" * 9_999, "1/" + "9" * 9_999, "." + "1" * 5_000])
def test_no_giant_number_is_ever_built(text: str) -> None:
    found = number.extract(text)
    assert found is None or len(found.value) <= 500


def test_an_answer_of_ten_thousand_braces_is_read() -> None:
    found = number.extract("\\boxed{" + "{" * 10_000 + "72" + "}" * 10_001)
    assert found is not None
    assert (found.value, found.strategy) == ("72", "boxed")


def test_the_last_number_of_a_very_long_line() -> None:
    for end in ("72", "1/2", "-" + "7" * 300):
        found = number.extract("1 and 2 " * 10_000 + "makes " + end)
        assert found is not None
        assert number.equal(found.value, end)


def random_text(rng: Random) -> str:
    pieces = [*PIECES, "7", "12.5", "}", "Mia has", "%", "\u2212", ".", ",", "(", ")", "=", "\x00", "\U0001f600"]
    return "".join(rng.choice(pieces) for _ in range(rng.randrange(30)))


def test_random_texts_never_raise_and_read_the_same_in_every_thread() -> None:
    rng = Random(7)
    texts = [random_text(rng) for _ in range(2_500)]
    alone = list(map(number.extract, texts))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(number.extract, texts)) == alone
    for text, found in zip(texts, alone, strict=True):
        if found is not None:
            start, end = found.span
            assert 0 <= start < end <= len(text)
            assert number.equal(found.value, found.value)
            assert number.equal(f"= {text[start:end]}", found.value)
