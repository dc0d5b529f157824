"""`approximate`: a number that may be off by a little, where the expected one is the result of a computer's sum."""

from __future__ import annotations

from reason_answers.number import Number


class Approximate(Number):
    """Finds what `number` finds; equal within a thousandth, or within a millionth of the larger of the two.

    GSM-Hard's expected answers are binary fractions such as 3244047.0999999996. Its authors (PAL, arXiv 2211.10435)
    count an answer as right when it is less than 0.001 away; the relative bound is for answers in the millions,
    whose last digits no one writes out.
    """

    name = "approximate"
    help = "a number, found as by `number`, equal within 0.001 or a millionth"

    def equal(self, predicted: str, expected: str) -> bool:
        """Whether both are numbers, near each other."""
        from fractions import Fraction

        from reason_answers import statement

        left, right = statement.read(predicted), statement.read(expected)
        if not isinstance(left, Fraction) or not isinstance(right, Fraction):
            return super().equal(predicted, expected)
        return abs(left - right) <= max(Fraction(1, 1_000), max(abs(left), abs(right)) / 1_000_000)
