"""Numbers: exact ones as `Fraction`, others by mpmath with `DIGITS` digits, and the functions that stay exact."""

from __future__ import annotations

import math
import threading
from fractions import Fraction
from functools import cache
from typing import Any

from reason_answers.algebra.tokens import Unreadable

DIGITS = 60
LARGEST_FACTORIAL = 1_000
MOST_FACTORS = 64  # of a binomial coefficient of a number that is not whole

# mpmath keeps its constants in caches that are not made for threads.
LOCK = threading.RLock()

Value = Any  # Fraction, or one of mpmath's numbers


class Undefined(Exception):
    """The expression has no value here: it divides by zero, or has no real value where real ones are wanted."""


@cache
def precise() -> Any:
    """mpmath's arithmetic, with `DIGITS` digits, in a context of our own."""
    import mpmath

    context = mpmath.MPContext()
    context.dps = DIGITS
    return context


def inexact(value: Value) -> Value:
    """A number as mpmath has it."""
    return precise().mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


def whole_root(value: int, index: int) -> int | None:
    """The whole number whose power this is, if there is one."""
    if index == 2:
        root = math.isqrt(value)
    elif value < 2:
        return value
    else:
        low, high = 1, 1 << (value.bit_length() // index + 1)
        while low < high:  # the largest whole number whose power is not larger
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle**index <= value else (low, middle - 1)
        root = low
    return root if root**index == value else None


def _whole(value: Value) -> int:
    if not isinstance(value, Fraction) or value.denominator != 1:
        raise Undefined("no whole number")
    return value.numerator


def factorial(value: Value) -> Fraction:
    """n! of a whole number. Raises `Undefined` for others, `Unreadable` above `LARGEST_FACTORIAL`."""
    number = _whole(value)
    if number < 0:
        raise Undefined("the factorial of a negative number")
    if number > LARGEST_FACTORIAL:
        raise Unreadable("a large factorial")
    return Fraction(math.factorial(number))


def binomial(above: Value, below: Value) -> Fraction:
    """The product (n)(n - 1)…(n - k + 1) / k!, for any rational n."""
    count = _whole(below)
    if not isinstance(above, Fraction) or count < 0:
        raise Undefined("no binomial coefficient")
    if above.denominator == 1 and 0 <= above <= LARGEST_FACTORIAL:
        return Fraction(math.comb(int(above), count))
    if count > MOST_FACTORS:
        raise Unreadable("a large binomial coefficient")
    return math.prod((above - step for step in range(count)), start=Fraction(1)) / math.factorial(count)


def _rounded(value: Value, how: Any) -> Fraction:
    """floor or ceiling; a value that is whole but for its last digits is that whole number."""
    if isinstance(value, Fraction):
        return Fraction(how(value))
    if precise().im(value) != 0:
        raise Undefined("no real value")
    nearest = precise().nint(value)
    near = abs(value - nearest) < precise().mpf(10) ** (10 - DIGITS)
    return Fraction(int(nearest if near else getattr(precise(), how.__name__)(value)))


EXACT = {
    "abs": abs,
    "floor": lambda value: _rounded(value, math.floor),
    "ceil": lambda value: _rounded(value, math.ceil),
}
