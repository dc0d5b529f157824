"""Exact arithmetic on what a model writes: an expression to its value as GSM8K's marks `<<48/2=24>>` write it.

The expression is read by precedence climbing over fractions and never run as code. Its length, its nesting and
its value are bounded.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction

MOST_CHARACTERS = 200  # GSM8K's longest mark has 36
MOST_DEPTH = 32  # of brackets and signs
MOST = 10**15  # values from here on are refused: they are no result of a word problem
EXACT_PLACES = 12  # a decimal that ends within so many places is written out
ROUNDED_PLACES = 6  # any other is rounded to so many

NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
TOKEN = re.compile(rf"\s*(?:\$?\s?(?P<number>{NUMBER})|(?P<sign>//|[-−+*×x/÷%()]))", re.ASCII)
PLAIN = str.maketrans("−×x÷", "-**/")
OPERATORS: Mapping[str, tuple[int, Callable[[Fraction, Fraction], Fraction | int]]] = {  # sign: precedence, meaning
    "+": (1, operator.add),
    "-": (1, operator.sub),
    "*": (2, operator.mul),
    "/": (2, operator.truediv),
    "//": (2, operator.floordiv),
}


def evaluate(expression: str) -> str | None:
    """The value as text: `24`, `-0.5`, `0.333333`.

    `None` for what is no expression, divides by zero, is too large, or is not 0 and would be written so. Numbers
    may begin with `$` or a decimal point and hold thousands commas; `%` after a number divides it by 100; `//` leaves
    the remainder out, as in GSM8K's own marks.
    """
    if len(expression) > MOST_CHARACTERS:
        return None
    try:
        value = _Reader(expression).value()
    except (ValueError, ZeroDivisionError):
        return None
    text = _written(value)
    return text if abs(value) < MOST and (text != "0" or not value) else None


class _Reader:
    """The tokens of an expression and how far they are read. Raises `ValueError` where the grammar is broken."""

    def __init__(self, expression: str) -> None:
        self._tokens = _tokens(expression)
        self._at = 0

    def value(self) -> Fraction:
        value = self._binary(1, 0)
        if self._next:
            raise ValueError("more than one expression")
        return value

    @property
    def _next(self) -> str:
        """The token to be read, empty at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._next
        self._at += 1
        return token

    def _binary(self, lowest: int, depth: int) -> Fraction:
        """Operands joined by operators that bind at least as tightly as `lowest`, from left to right."""
        left = self._operand(depth)
        while self._next in OPERATORS and OPERATORS[self._next][0] >= lowest:
            precedence, apply = OPERATORS[self._take()]
            left = Fraction(apply(left, self._binary(precedence + 1, depth)))
        return left

    def _operand(self, depth: int) -> Fraction:
        """A number or a bracket with the percent signs after it, or an operand with a sign before it."""
        if depth > MOST_DEPTH:
            raise ValueError("nested too deeply")
        token = self._take()
        if token in ("-", "+"):
            operand = self._operand(depth + 1)
            return -operand if token == "-" else operand
        if token == "(":
            value = self._binary(1, depth + 1)
            if self._take() != ")":
                raise ValueError("a bracket is open")
        else:
            value = Fraction(token)
        while self._next == "%":
            self._take()
            value /= 100
        return value


def _tokens(expression: str) -> list[str]:
    """Numbers without their commas, and signs as plain ASCII."""
    tokens, at, end = [], 0, len(expression.rstrip())
    while at < end:
        found = TOKEN.match(expression, at)
        if not found:
            raise ValueError(f"no arithmetic: {expression[at:]}")
        tokens.append(found["number"].replace(",", "") if found["number"] else found["sign"].translate(PLAIN))
        at = found.end()
    return tokens


def _written(value: Fraction) -> str:
    exact = value * 10**EXACT_PLACES
    places = EXACT_PLACES if exact.denominator == 1 else ROUNDED_PLACES
    whole, part = divmod(round(abs(value) * 10**places), 10**places)
    text = f"{whole}.{part:0{places}d}".rstrip("0").rstrip(".")
    return f"-{text}" if value < 0 and text != "0" else text
