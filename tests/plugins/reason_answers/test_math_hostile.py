"""`math` on texts made to hurt: it never raises, and every comparison is bounded in time."""

from __future__ import annotations

import sys
import threading
from itertools import pairwise
from random import Random

import pytest
from patience import MOST, SHORT, bounded
from reason_answers.expression import Math

math = Math()

PIECES = [
    *(
        "{",
        "}",
        "\\boxed{",
        "\\boxed ",
        "\\frac",
        "\\frac{1}{",
        "\\frac12",
        "\\sqrt",
        "\\sqrt{",
        "(",
        "[",
        "|",
        "$",
        "$a",
    ),
    *(
        "\\[",
        "\\]",
        "\\(",
        "$$",
        "^",
        "_",
        "x^",
        "9^",
        "9^{",
        "!",
        "-",
        "+",
        "\\pm",
        "1,",
        "1,111",
        "a,",
        "\\text{",
        "\\text{a}",
    ),
    *(
        "\\{",
        "\\left(",
        "\\begin{pmatrix}",
        "\\\\",
        "&",
        "\\sin ",
        "\\log_",
        "9",
        "9 ",
        "a",
        "ab ",
        "=",
        "x=",
        "<",
        "x<",
        ":",
    ),
    *(
        "Final Answer: ",
        "#### ",
        "<answer>",
        "the answer is ",
        "the ",
        "because ",
        ". A",
        "\n",
        " ",
        "\\",
        "1\n",
        "\\cup",
        "e",
    ),
]


def read(left: str, right: str, most: float = SHORT) -> None:
    with bounded(most):
        math.extract(left)
        math.equal(left, right)


@pytest.mark.parametrize("piece", PIECES[::2], ids=ascii)
def test_a_megabyte_of_anything(piece: str) -> None:
    read(piece * (1_000_000 // len(piece)), "1", MOST)


@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_a_long_answer_of_anything(piece: str) -> None:
    for length in (100, 1_999):  # those that are parsed
        answer = (piece * length)[:length]
        read(answer, "1")
        read(f"{answer}1", f"1{answer}")


TOWERS = ["9^{9^{9}}", "9^{9^{9^{9}}}", "2^{99999999}", "(1/3)^{-99999999}", "9**9**9", "99999999!", "((9!)!)!", "9!!!"]
GIANTS = [
    *TOWERS,
    *("1e999999999", "10^{10^{10}}", "e^{e^{e^{e^{9}}}}", "\\binom{999999999}{99999999}", "\\sqrt[99999999]{2}"),
    *("\\sin(10^{5000})", "\\ln(9^{9^{9}})", "x^{99999999}", "(x+1)^{99999}", "9" * 1_900, "0." + "9" * 1_900),
    *("1.5^{1.5^{1.5^{99}}}", "\\pi^{\\pi^{\\pi^{\\pi}}}", "\\sqrt{" * 24 + "2" + "}" * 24, "x^{x^{x^{x^{x}}}}"),
    *(
        "(10^{4000}+1)^{16000}",
        "0.1^{99999}",
        "i^{99999999}",
        "\\lfloor 9^{9^9} \\rfloor",
        "(1+i)^{16000}",
        "n!",
        "\\frac{1}{10^{-99999}}",
    ),
]


@pytest.mark.parametrize("text", GIANTS, ids=lambda text: text[:40])
def test_nothing_giant_is_worked_out(text: str) -> None:
    read(text, "7")
    read(f"{text} + 1", f"1 + {text} + 0")
    assert math.equal(text, f" {text}")
    assert not math.equal(text, "7")


@pytest.mark.parametrize(("terms", "told"), [(10, True), (150, False)])
def test_a_sum_of_many_costly_terms_is_given_up(terms: int, told: bool) -> None:
    left = "+".join(f"\\sin({n}x)" for n in range(terms))
    right = "+".join(f"\\sin({n}x)" for n in reversed(range(terms)))
    read(left, right)
    assert math.equal(left, right) is told


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ("\\sin x_{N}", "\\cos y_{N}"),
        ("(ix_{N})^{9999}", "(iy_{N})^{9998}"),
        ("x_{N}^{999}", "y_{N}^{999}+y_{N}^{998}"),
    ],
)
def test_a_set_whose_items_are_costly_to_compare_is_given_up(mine: str, other: str) -> None:
    left, right = (", ".join(item.replace("N", str(n)) for n in range(40)) for item in (mine, other))
    read(left, right)
    assert not math.equal(left, right)


def test_long_sets_are_compared_in_time() -> None:
    numbers = [str(n) for n in range(400)]
    assert math.equal(f"\\{{{', '.join(numbers)}\\}}", f"\\{{{', '.join(reversed(numbers))}\\}}")
    roots = [f"\\sqrt{{{n}}}" for n in range(2, 120)]
    read(f"\\{{{','.join(roots)}\\}}", f"\\{{{','.join(roots[1:])}\\}}")
    some = [f"\\sqrt{{{n}}}+x" for n in range(2, 40)]
    other = [f"x+\\sqrt{{{n}}}" for n in range(2, 40)]
    read(",".join(some), ",".join(reversed(other)))


@pytest.mark.parametrize("depth", [10, 20, 100, 5_000])
def test_nesting_is_bounded(depth: int) -> None:
    for opening, closing in (("\\frac{1}{", "}"), ("{", "}"), ("(", ")"), ("\\sqrt{", "}"), ("[", "]"), ("x^{", "}")):
        text = opening * depth + "2" + closing * depth
        read(text, "3")
        assert math.equal(text, f"{text} ")


def test_ten_thousand_braces_around_an_answer() -> None:
    assert math.equal("{" * 900 + "72" + "}" * 900, "72")
    found = math.extract("\\boxed{" + "{" * 10_000 + "72" + "}" * 10_001)
    assert found and found.strategy == "boxed"


def test_a_thread_with_a_deep_stack_still_compares() -> None:
    """Callers may stand deep in the stack already; the parser needs a few hundred frames at most."""
    said: list[bool] = []

    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        else:
            said.append(math.equal("(" * 20 + "x+1" + ")" * 20, "1+x"))

    thread = threading.Thread(target=deep, args=(sys.getrecursionlimit() - 600,))
    thread.start()
    thread.join()
    assert said == [True]


def random_text(rng: Random) -> str:
    more = [
        "1",
        "2",
        "x",
        "y",
        ",",
        ")",
        "]",
        "}",
        "\\}",
        "\\right)",
        "\\end{pmatrix}",
        "\\pi",
        "i",
        "/",
        "*",
        " ",
        "\x00",
        "\U0001f600",
    ]
    return "".join(rng.choice((*PIECES, *more)) for _ in range(rng.randrange(1, 12)))


def test_random_texts_never_raise_and_are_equal_to_themselves() -> None:
    rng = Random(5)
    texts = [random_text(rng) for _ in range(4_000)]
    for left, right in pairwise(texts):
        assert math.equal(left, right) is math.equal(right, left)
        assert math.equal(left, left)
        math.extract(left)


def test_nothing_of_a_text_is_run() -> None:
    for text in ("__import__('os').system('true')", "\\text{__import__}('os')", "exec(1)", "lambda: 1", "x.__class__"):
        assert math.equal(text, text)
        assert not math.equal(text, "0")
