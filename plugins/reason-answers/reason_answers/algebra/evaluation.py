"""The value of an expression at a point: exact where it is rational, else to `DIGITS` digits by mpmath. No eval.

Whatever could grow without bound (powers, factorials) is bounded before it is computed, and every step is paid for
from a budget of work, so that the time is bounded in any thread, without a clock or a signal.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from reason_answers.algebra.arithmetic import (
    EXACT,
    Undefined,
    Value,
    binomial,
    factorial,
    inexact,
    precise,
    whole_root,
)
from reason_answers.algebra.tokens import Unreadable
from reason_answers.algebra.trees import Node, holds

MOST_BITS = 16_384  # of an exact number, and of the exponent range of others
LARGEST_ROOT = 64
LARGEST_ANGLE_BITS = 40


class Budget:
    """Steps of work that are left. Raises `Unreadable` when they are used up."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def pay(self, steps: int) -> None:
        """Use up so many steps."""
        self.left -= steps
        if self.left < 0:
            raise Unreadable("too much work")


def evaluate(node: Node, point: Mapping[str, Fraction], real: bool, budget: Budget) -> Value:
    """The value of `node` where each of its names has the value of `point`.

    With `real`, roots and logarithms of negative numbers are `Undefined`; without, they are complex. A root with an
    odd index is real in any case: the cube root of -8 is -2. Raises `Undefined`, `Unreadable`.
    """
    return _Evaluation(point, real, budget).value(node)


class _Evaluation:
    def __init__(self, point: Mapping[str, Fraction], real: bool, budget: Budget) -> None:
        self.point, self.real, self.budget = point, real, budget

    def value(self, node: Node) -> Value:
        self.budget.pay(1)
        if node.kind == "number":
            return node.parts[0]
        if node.kind == "symbol":
            return self.symbol(node.parts[0])
        if node.kind in ("sum", "product"):
            return self.folded(node)
        if node.kind == "negative":
            return -self.value(node.parts[0])
        if node.kind == "inverse":
            return self.raised(self.value(node.parts[0]), Fraction(-1))
        if node.kind == "power":
            return self.raised(self.value(node.parts[0]), self.value(node.parts[1]))
        if node.kind == "degrees":
            return self.value(node.parts[0])
        if node.kind == "call":
            return self.call(*node.parts)
        raise Unreadable(node.kind)

    def symbol(self, name: str) -> Value:
        if name in self.point:
            return self.point[name]
        constants = {"pi": lambda: +precise().pi, "e": lambda: +precise().e, "i": lambda: precise().mpc(0, 1)}
        if name not in constants:
            raise Undefined(name)
        return constants[name]()

    def folded(self, node: Node) -> Value:
        total = self.value(node.parts[0])
        for part in node.parts[1:]:
            other = self.value(part)
            if not (isinstance(total, Fraction) and isinstance(other, Fraction)):
                total, other = inexact(total), inexact(other)
            total = self.bounded(total + other if node.kind == "sum" else total * other)
        return total

    def bounded(self, value: Value) -> Value:
        """The value, if it is neither too large to go on with nor too small."""
        if isinstance(value, Fraction):
            bits = value.numerator.bit_length() + value.denominator.bit_length()
            self.budget.pay(bits // 128)
            if bits > MOST_BITS:
                raise Unreadable("a large number")
            return value
        self.budget.pay(4)
        if not precise().isfinite(value) or (value and abs(precise().mag(value)) > MOST_BITS):
            raise Unreadable("a large number")
        return value

    # --- powers ---

    def raised(self, base: Value, power: Value) -> Value:
        if base == 0 and not (isinstance(power, Fraction) and power > 0):
            raise Undefined("a power of zero")
        if isinstance(power, Fraction) and abs(power) <= MOST_BITS:
            if power.denominator == 1:
                return self.whole_power(base, int(power))
            if power.denominator <= LARGEST_ROOT and isinstance(base, Fraction):
                return self.root(self.whole_power(base, power.numerator), power.denominator)
        return self.any_power(inexact(base), inexact(power))

    def whole_power(self, base: Value, power: int) -> Value:
        if isinstance(base, Fraction):
            bits = max(base.numerator.bit_length(), base.denominator.bit_length()) - 1
            if bits * abs(power) > MOST_BITS:
                raise Unreadable("a large power")
        elif base:
            self.budget.pay(4 * power.bit_length())
            if abs(precise().mag(base) * power) > MOST_BITS:
                raise Unreadable("a large power")
        return self.bounded(base**power)

    def root(self, base: Fraction, index: int) -> Value:
        """The root of a rational number: exact if it is rational, real if its index is odd."""
        size = abs(base)
        top, bottom = whole_root(size.numerator, index), whole_root(size.denominator, index)
        exact = top is not None and bottom is not None
        root = Fraction(top or 0, bottom or 1) if exact else self.inexact_root(size, index)
        if base >= 0:
            return root
        if index % 2:
            return -root
        if self.real:
            raise Undefined("an even root of a negative number")
        turn = precise().mpc(0, 1) if index == 2 else precise().expjpi(inexact(Fraction(1, index)))
        return inexact(root) * turn

    def inexact_root(self, size: Fraction, index: int) -> Value:
        self.budget.pay(10)
        return precise().root(inexact(size), index)

    def any_power(self, base: Value, power: Value) -> Value:
        self.budget.pay(40)
        if self.real and precise().im(base) == 0 and precise().re(base) < 0:
            raise Undefined("a power of a negative number")
        exponent = power * precise().log(base)
        if abs(exponent) > MOST_BITS:
            raise Unreadable("a large power")
        return precise().exp(exponent)

    # --- functions ---

    def call(self, name: str, inner: Node, other: Node | None = None) -> Value:
        value = self.value(inner)
        if name in EXACT:
            return EXACT[name](value)
        if name in ("factorial", "binom"):
            return self.bounded(factorial(value) if other is None else binomial(value, self.value(other)))
        self.budget.pay(40)
        value = inexact(value)
        if name in ("ln", "log", "lg"):
            return self.logarithm(name, value, other)
        if abs(precise().mag(value)) > LARGEST_ANGLE_BITS and value != 0:
            raise Unreadable("a large argument")
        if name in _TRIGONOMETRIC and holds(inner, "degrees"):
            value = value * precise().pi / 180
        function = getattr(precise(), _FUNCTIONS.get(name, ""), None)
        if function is None:
            raise Unreadable(name)
        return self.function(function, value)

    def function(self, function: Any, value: Value) -> Value:
        try:
            result = function(value)
        except (ValueError, ZeroDivisionError):
            raise Undefined("a pole") from None
        if self.real and precise().im(result) != 0:
            raise Undefined("no real value")
        return self.bounded(result)

    def logarithm(self, name: str, value: Value, base: Node | None) -> Value:
        if value == 0:
            raise Undefined("the logarithm of zero")
        result = self.function(precise().log, value)
        if name == "ln":
            return result
        below = inexact(self.value(base)) if base else precise().mpf(10)
        if below in (0, 1):
            raise Undefined("a logarithm to no base")
        return result / self.function(precise().log, below)


_TRIGONOMETRIC = frozenset({"sin", "cos", "tan", "cot", "sec", "csc"})
_FUNCTIONS = {
    **{name: name for name in (*_TRIGONOMETRIC, "sinh", "cosh", "tanh", "exp")},
    **{f"{arc}{name}": f"a{name}" for name in ("sin", "cos", "tan") for arc in ("arc", "a")},
}
