"""`number`: the number that a solution ends with, compared as an exact value."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from reason_cli import AnswerExtractor, Extraction

if TYPE_CHECKING:
    from reason_answers.strategies import Strategy


class Number(AnswerExtractor):
    """Tries the strategies in their order, first on what stands outside the thinking, then on everything.

    A strategy counts only if it finds a number; where it finds two answers instead of one there is none. Pure, and
    linear in the length of the text. The rules are imported when they are first used: compiling their patterns is
    not for those who only list extractors.
    """

    name = "number"
    help = "a number, found by marker, box, phrase or place, compared exactly (1,200 = 1200.0; $72 = 72; seven = 7)"
    marked: ClassVar[frozenset[str]] = frozenset({"final-answer", "answer-tag", "hash", "boxed"})

    def extract(self, text: str) -> Extraction | None:
        """The number that `text` gives as its answer, written canonically, and where it stands."""
        from reason_answers import signs, values
        from reason_answers.hedges import Hedged
        from reason_answers.scope import regions

        plain = signs.plain(text)
        strategies = self._strategies()
        try:
            for region in regions(plain):
                for strategy, find in strategies:
                    found = find(plain, region)
                    if found is not None:
                        return Extraction(values.canonical(found.value), strategy, found.span)
        except Hedged:
            return None
        return None

    def equal(self, predicted: str, expected: str) -> bool:
        """Whether both are numbers, of the same value."""
        from reason_answers import statement, values

        left, right = statement.read(predicted), statement.read(expected)
        return left is not None and right is not None and values.same(left, right)

    def _strategies(self) -> tuple[tuple[str, Strategy], ...]:
        from reason_answers.strategies import STRATEGIES

        return STRATEGIES
