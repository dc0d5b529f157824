"""`strict`: the number that stands behind a marker, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reason_answers.number import Number

if TYPE_CHECKING:
    from reason_answers.strategies import Strategy


class Strict(Number):
    """Finds what `number` finds by a marker; a text without one has no answer. Equal as for `number`."""

    name = "strict"
    help = "a number behind a marker only (Final Answer:, ####, an answer tag or a box), compared exactly"

    def _strategies(self) -> tuple[tuple[str, Strategy], ...]:
        return tuple((name, find) for name, find in super()._strategies() if name in self.marked)
