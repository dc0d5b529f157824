"""The steps that a solution writes out: its equations, and which of them are false.

A step is called false only where nothing hints that its words change the sum: one false alarm misleads more than one
slip that is missed. Arithmetic is exact; a result may be rounded to the digits that it is written with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import islice

from reason_cli.calculator import evaluate
from reason_cli.engine.expressions import Side, equal_sides
from reason_cli.engine.wording import MEASURES, may_convert, measure

LONGEST = 2**15  # characters of a text that are read
MOST = 1_000  # equations of a text that are read; a solution has a dozen
_MARK = re.compile(r"<<([^<>\n]{1,200}=[^<>\n]{1,100})>>")  # GSM8K's calculator marks
_PLAIN = re.compile(r"[-+]*[\d,]*(?:\.(\d+))?(%?)")
_QUOTIENT = re.compile(r"(\d+/\d+|\d+|\([^()]*\))/(\d+/\d+)(?![\d.,])")  # of which it is not clear what divides what
_GROWTH = re.compile(r"(.+)([+-])([\d.,]+)%")
_RELATIVE = Fraction(1, 200)  # between two expressions with fractions in them


@dataclass(frozen=True)
class Equation:
    """An equation with arithmetic on a side, from `span[0]` to `span[1]` of the text.

    `true` is `None` where it cannot be told: a variable, a change of units, a value out of bounds. `operations` are
    those of `wording.OPERATIONS` on its left side. `goes_on`: its left side is the right side of the one before.
    """

    span: tuple[int, int]
    true: bool | None
    operations: frozenset[str]
    goes_on: bool


def equations(text: str) -> list[Equation]:
    """The first `MOST` equations of the first `LONGEST` characters; calculator marks alone where there are any."""
    return list(islice(_equations(text[:LONGEST]), MOST))


def _equations(text: str) -> Iterator[Equation]:
    before: Side | None = None
    for start, line in _lines(text):
        pairs = equal_sides(line, start)
        for n, (left, right) in enumerate(pairs):
            more = n + 1 < len(pairs) and pairs[n + 1][0] is right
            if left.operations or right.operations:
                span = left.start, right.end
                goes_on = left is before
                true = _verdict(text, left, right, more) if left.operations or goes_on else None
                yield Equation(span, true, left.operations, goes_on)
            before = right


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Where equations are looked for, and where in the text that begins."""
    marks = [(mark.start(1), mark[1]) for mark in _MARK.finditer(text)]
    if marks:
        yield from marks
        return
    start = 0
    for line in text.split("\n"):
        if "=" in line or "≈" in line:
            yield start, line
        start += len(line) + 1


def _verdict(text: str, left: Side, right: Side, more: bool) -> bool | None:
    """Whether two sides are equal in any of their readings; `more`: the right side is the left one of another."""
    lefts, rights = _values(left), _values(right)
    if not lefts or not rights:
        return None
    if any(_near(a, b, unit) for a in lefts for b, unit in zip(rights, _units(right), strict=False)):
        return True
    if more and right.operations and _value(right.parts[0]) in lefts:  # 5 + 3 = 8 + 2 = 10, as on a calculator
        return True
    if left.operations == {"÷"} and right.text.isdigit() and abs(lefts[0] - rights[0]) < 1:  # 50 / 3 = 16, and 2 remain
        return None
    unclear = not (left.sure and right.sure) or any(_QUOTIENT.search(side.text) for side in (left, right))
    return None if unclear or _converts(text, left, right, lefts[0], rights[0]) else False


def _values(side: Side) -> list[Fraction]:
    """The values of a side in each way it may be read."""
    text = side.text
    ways = [text]
    if "%" in text:
        ways.append(text.replace("%", ""))  # 100% - 20% = 80%
        growth = _GROWTH.fullmatch(text)
        if growth:  # 50 + 20% = 60
            ways.append(f"({growth[1]})*(1{growth[2]}{growth[3]}%)")
    if _QUOTIENT.search(text):  # 28 / 1/5 = 140
        ways.append(_QUOTIENT.sub(r"(\1)/(\2)", text))
    if side.dash:
        ways.append(text.lstrip("+-"))
    return [value for value in map(_value, ways) if value is not None]


@lru_cache(maxsize=4096)
def _value(text: str) -> Fraction | None:
    value = evaluate(text)
    return None if value is None else Fraction(value)


def _units(side: Side) -> list[Fraction | None]:
    """What the last digit of a number counts, in each way that it may be read; `None` of an expression."""
    number = _PLAIN.fullmatch(side.text)
    if not number:
        return [None] * 3
    unit = Fraction(1, 10 ** len(number[1] or ""))
    return [unit / 100, unit] if number[2] else [unit, unit]


def _near(left: Fraction, right: Fraction, unit: Fraction | None) -> bool:
    """Whether `right` is `left`, rounded to a unit or cut off after its decimals; between expressions, nearly."""
    off = abs(left - right)
    if not off:
        return True
    if unit is None:
        return max(left.denominator, right.denominator) > 1 and off <= _RELATIVE * abs(left)
    if abs(right) > abs(left):
        return off * 2 <= unit
    return off * 2 < unit or (unit < 1 and off < unit)


def _converts(text: str, left: Side, right: Side, value: Fraction, result: Fraction) -> bool:
    """Whether the sides may differ in their units alone: `25 * 4 cents = $1`, `3 * 40 minutes = 2 hours`."""
    added = {unit for unit in map(measure, left.units) if unit in MEASURES}
    if len(added) > 1 and not left.operations.isdisjoint("+-"):  # 4 pounds - 6 ounces
        return True
    signs = {sign for sign in text[max(0, left.start - 2) : right.end + 2] if sign in "$¢%"}
    return bool(value and result) and may_convert(left.units | right.units | signs, value, result)
