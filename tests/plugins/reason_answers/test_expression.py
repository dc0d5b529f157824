"""`math`: where an expression is found, and which ones are the same."""

from __future__ import annotations

import time

import pytest
from reason_answers.expression import Math

from reason_cli import testing

math = Math()

READINGS = [
    ("so $\\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}", "boxed"),
    ("\\boxed{1}, no, \\boxed{x^{2} + 1}", "x^{2} + 1", "boxed"),
    ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}", "boxed"),
    ("\\boxed{\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}}", "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "boxed"),
    ("thus $x = \\boxed 5$.", "5", "boxed"),
    ("\\fbox{7}", "7", "boxed"),
    ("\\boxed{\\boxed{3}}", "3", "boxed"),
    ("**Final Answer:** \\boxed{5}", "5", "boxed"),
    ("<think>\n\\boxed{4}\n</think>\n\n**Final Answer:** 5", "5", "final-answer"),
    ("**Final Answer:** $\\frac{3}{4}$.", "\\frac{3}{4}", "final-answer"),
    ("**Final Answer:** \\(x + 1\\)", "x + 1", "final-answer"),
    ("**Final Answer:** **12**", "12", "final-answer"),
    ("**Final Answer:** A", "A", "final-answer"),
    ("#### 2\\sqrt{3}", "2\\sqrt{3}", "hash"),
    ("The answer is (A).", "(A)", "the-answer-is"),
    ("Then it is $x=5$.", "x=5", "dollars"),
    ("first $a$, then $b$", "b", "dollars"),
    ("It costs $5 and then $6", "$6", "last-number"),
    ("It is 72", "72", "last-number"),
    ("\\boxed{}, so #### 3", "3", "hash"),
    ("\\boxed{1", "1", "last-number"),
    ("no expression", None, None),
    ("", None, None),
]

SAME = [
    *[("\\dfrac{1}{2}", "\\frac{1}{2}"), ("\\tfrac12", "1/2"), ("\\frac12", "0.5"), ("\\frac{1}2", ".5")],
    *[("-1/2", "-\\frac{1}{2}"), ("\\frac{-1}{2}", "-0.5"), ("1,200", "1200"), ("1{,}200", "1200.00")],
    *[("\\$18", "18"), ("18\\%", "18"), ("18%", "18"), ("90^\\circ", "90"), ("90^{\\circ}", "90"), ("90°", "90")],
    *[("5\\text{ cm}", "5"), ("5 \\mbox{ inches}^2", "5"), ("5 apples", "5"), ("5 square feet", "5")],
    *[("\\text{Yes}", "Yes"), ("(A)", "A"), ("\\text{(A)}", "A"), ("x = 5", "5"), ("f(x) = 2x", "2x")],
    *[("x \\in [1,2]", "[1, 2]"), ("\\left( 1, 2 \\right)", "(1,2)"), ("2\\sqrt3", "2\\sqrt{3}"), ("5.", "5")],
    *[("x^2\\,+ 1", "x^2+1"), ("\\displaystyle x", "x"), ("$7$", "7"), ("\u22123", "-3"), ("x\\leq 2", "x \\le 2")],
    *[("1.2 \\times 10^3", "1200"), ("\\frac{\\sqrt3}{2}", "\\frac{\\sqrt{3}}{2}"), ("", "")],
]

DIFFERENT = [
    *[("x", "y"), ("5", "6"), ("5", "-5"), ("5x", "5"), ("5 x", "5"), ("2 pi", "2"), ("A", "B")],
    *[("(1,2)", "[1,2]"), ("\\frac{1}{2}", "\\frac{2}{1}"), ("1/3", "0.333"), ("", "0"), ("$", "%"), ("1, 2", "12")],
    *[("\\sqrt{2}", "2"), ("x_1", "x_2"), ("=", ""), ("12,34", "1234"), ("5 or 6", "5"), ("\\infty", "-\\infty")],
]


@pytest.mark.parametrize(("text", "value", "strategy"), READINGS)
def test_readings(text: str, value: str | None, strategy: str | None) -> None:
    found = math.extract(text)
    assert (found and found.value, found and found.strategy) == (value, strategy)
    if found:
        assert text[slice(*found.span)] == found.value


@pytest.mark.parametrize(("left", "right"), SAME)
def test_same(left: str, right: str) -> None:
    assert math.equal(left, right)
    assert math.equal(right, left)


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_different(left: str, right: str) -> None:
    assert not math.equal(left, right)
    assert not math.equal(right, left)


def test_the_contract() -> None:
    testing.check_extractor(math, {r"so \boxed{\frac{1}{2}}": "0.5", "**Final Answer:** $x$": "x"})


@pytest.mark.parametrize(
    "piece", ["$", "$a", "\\boxed ", "\\text{", "1\\text{a}", "\\frac", "^\\circ", "x=", " ", "\\"]
)
def test_long_texts_take_no_longer_than_their_length(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    begun = time.thread_time()
    math.extract(text)
    math.equal(text, text + "x")
    math.equal(text[:2_000], text[:1_999])
    assert time.thread_time() - begun < 2
