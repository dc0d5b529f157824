"""The numbers of a story: a start, then operations, each on the result before it. Knows no words."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from reason_cli import ReasonError

# Factors and divisors stay within the times table, so that a solution is mental arithmetic.
SMALLEST_FACTOR = 2
LARGEST_FACTOR = 10

# A draft that runs into a dead end (nothing left to divide, no room to add) is thrown away; so many in a row
# mean that the options leave no way at all.
DRAFTS = 5_000

Draw = Callable[[], float]  # the next random number in [0, 1)


class Chain(NamedTuple):
    """`start`, then for each step its operation, its operand, and the result."""

    start: int
    operations: list[str]
    operands: list[int]
    results: list[int]

    def lines(self) -> list[str]:
        """The worked solution, one line per step."""
        value, lines = self.start, []
        for operation, operand, result in zip(self.operations, self.operands, self.results, strict=True):
            lines.append(f"{value} {operation} {operand} = {result}")
            value = result
        return lines


def draw_chain(draw: Draw, steps: int, magnitude: int, operations: str) -> Chain:
    """A chain of that many steps in which no number exceeds `magnitude` and every division is exact."""
    for _ in range(DRAFTS):
        chain = _draft(draw, steps, magnitude, operations)
        if chain is not None:
            return chain
    raise ReasonError(
        f"word-problems: no chain of {steps} steps with operations {operations!r} stays within {magnitude}",
        hint="raise magnitude, allow more operations, or ask for fewer steps",
    )


def _draft(draw: Draw, steps: int, magnitude: int, operations: str) -> Chain | None:
    first = operations[int(draw() * len(operations))]
    value = _start(draw, first, magnitude)
    chain = Chain(value, [], [], [])
    for step in range(steps):
        operation = first if step == 0 else operations[int(draw() * len(operations))]
        operand = _operand(draw, operation, value, magnitude)
        if operand == 0:  # this operation has no room here: any other one that has
            operation, operand = _another(draw, operations, value, magnitude)
            if operand == 0:
                return None
        value = _apply(operation, value, operand)
        chain.operations.append(operation)
        chain.operands.append(operand)
        chain.results.append(value)
    return chain


def _start(draw: Draw, operation: str, magnitude: int) -> int:
    """A number to begin with that gives the first operation room; at least 2, so that it is a plural."""
    if operation == "+":
        return _between(draw, 2, magnitude // 2)
    factor = _between(draw, SMALLEST_FACTOR, LARGEST_FACTOR)
    share = _between(draw, 2, magnitude // factor)
    if operation == "*":
        return share
    return share * factor if operation == "/" else _between(draw, 4, magnitude)


def _operand(draw: Draw, operation: str, value: int, magnitude: int) -> int:
    """What to add, take away, multiply or divide by; 0 when nothing fits. Nobody is left with nothing."""
    if operation == "+":
        return _between(draw, 1, magnitude - value) if value < magnitude else 0
    if operation == "-":
        return _between(draw, 1, value - 1) if value > 1 else 0
    if operation == "*":
        largest = min(LARGEST_FACTOR, magnitude // value)
        return _between(draw, SMALLEST_FACTOR, largest) if largest >= SMALLEST_FACTOR else 0
    divisors = [d for d in range(SMALLEST_FACTOR, LARGEST_FACTOR + 1) if value % d == 0 and value >= 2 * d]
    return divisors[int(draw() * len(divisors))] if divisors else 0


def _another(draw: Draw, operations: str, value: int, magnitude: int) -> tuple[str, int]:
    offset = int(draw() * len(operations))
    for i in range(len(operations)):
        operation = operations[(offset + i) % len(operations)]
        operand = _operand(draw, operation, value, magnitude)
        if operand:
            return operation, operand
    return "", 0


def _apply(operation: str, value: int, operand: int) -> int:
    if operation == "+":
        return value + operand
    if operation == "-":
        return value - operand
    return value * operand if operation == "*" else value // operand


def _between(draw: Draw, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return low + int(draw() * (high - low + 1))
