"""`math`: where an expression is found; which ones are the same is in `test_math_equal`."""

from __future__ import annotations

import pytest
from patience import SHORT, bounded
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
    # a box that is not closed gives way to one that is, then to other ways
    ("\\boxed{5} and then \\boxed{6", "5", "boxed"),
    ("\\boxed5", "5", "boxed"),
    ("$$x = \\boxed{\\dfrac{7}{9}}$$", "\\dfrac{7}{9}", "boxed"),
    ("$\\boxed{\\text{(C) } 12}$", "\\text{(C) } 12", "boxed"),
    ("\\boxed{\\left\\{ 1, 2 \\right\\}}", "\\left\\{ 1, 2 \\right\\}", "boxed"),
    ("<think>\\boxed{4}</think> \\boxed{5}", "5", "boxed"),
    # what a marked line says before its answer, and after it
    ("**Final Answer:** The final answer is $\\frac{1}{2}$. I hope it is correct.", "\\frac{1}{2}", "final-answer"),
    ("**Final Answer:**\n\\[\nx = 5\n\\]\nDone.", "x = 5", "final-answer"),
    ("**Final Answer:**\n$$\nx = 5\n$$", "x = 5", "final-answer"),
    ("Final answer: `x + 1`", "x + 1", "final-answer"),
    ("✅ Final Answer: **73**", "73", "final-answer"),
    ("<answer>\\frac{1}{2}</answer>", "\\frac{1}{2}", "answer-tag"),
    ("<answer> $x+1$ </answer> and more $y$", "x+1", "answer-tag"),
    ("#### $\\frac{3}{4}$", "\\frac{3}{4}", "hash"),
    ("The answer is $x = 5$, which means $y = 2$.", "x = 5", "the-answer-is"),
    ("The answer is $3$ or $4$.", "$3$ or $4$", "the-answer-is"),
    ("The answer is: $$\\frac{2}{3}$$", "\\frac{2}{3}", "the-answer-is"),
    ("The answer is 72 because 70 + 2 = 72.", "72", "the-answer-is"),
    ("The answer is 72. Let me check it.", "72", "the-answer-is"),
    ("The answer is 5 $m^2$", "5 $m^2$", "the-answer-is"),
    ("The answer is approximately 3.14", "3.14", "the-answer-is"),
    ("The answer is **x = 2**.", "x = 2", "the-answer-is"),
    ("The answer is Evelyn.", "Evelyn", "the-answer-is"),
    ("The answer is \\(\\frac{a}{b}\\).\n\nQuestion: next?\nThe answer is $9$.", "\\frac{a}{b}", "the-answer-is"),
    # no marker
    ("so \\(x = 7\\).", "x = 7", "dollars"),
    ("Thus\n\\[ S = \\frac{1}{2}\\cdot 4 = 2. \\]", "S = \\frac{1}{2}\\cdot 4 = 2", "dollars"),
    ("first $a$, then \\[b\\]", "b", "dollars"),
    ("first \\[b\\], then $a$", "a", "dollars"),
    ("It is 7 or 8", None, None),
    ("no expression", None, None),
    ("", None, None),
]


@pytest.mark.parametrize(("text", "value", "strategy"), READINGS)
def test_readings(text: str, value: str | None, strategy: str | None) -> None:
    found = math.extract(text)
    assert (found and found.value, found and found.strategy) == (value, strategy)
    if found:
        assert text[slice(*found.span)] == found.value


def test_a_number_in_words_is_given_in_digits() -> None:
    found = math.extract("She has seven.")
    assert found and (found.value, found.strategy, found.span) == ("7", "last-number", (8, 13))


def test_what_is_strict() -> None:
    strategies = {strategy for _, _, strategy in READINGS if strategy}
    assert strategies - math.marked == {"the-answer-is", "dollars", "last-number"}


def test_the_contract() -> None:
    testing.check_extractor(math, {r"so \boxed{\frac{1}{2}}": "0.5", "**Final Answer:** $x$": "x"})


@pytest.mark.parametrize(
    "piece", ["$", "$a", "\\boxed ", "\\text{", "1\\text{a}", "\\frac", "^\\circ", "x=", " ", "\\"]
)
def test_long_texts_take_no_longer_than_their_length(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    with bounded(SHORT):
        math.extract(text)
        math.equal(text, text + "x")
        math.equal(text[:2_000], text[:1_999])
