"""`number`: the number that a solution ends with, compared as an exact value."""

from __future__ import annotations

from reason_cli import AnswerExtractor, Extraction


class Number(AnswerExtractor):
    """Tries the strategies in their order, first on what follows the thinking, then on everything.

    A strategy counts only if it finds a number; pure, and linear in the length of the text. The rules are imported
    when they are first used: compiling their patterns is not for those who only list extractors.
    """

    name = "number"
    help = "a number, found by marker, box, phrase or place, compared exactly (1,200 = 1200.0; $72 = 72)"

    def extract(self, text: str) -> Extraction | None:
        """The number that `text` gives as its answer, written canonically, and where it stands."""
        from reason_answers import values
        from reason_answers.scope import regions
        from reason_answers.strategies import STRATEGIES

        for region in regions(text):
            for strategy, find in STRATEGIES:
                found = find(text, region)
                if found is not None:
                    return Extraction(values.canonical(found.value), strategy, found.span)
        return None

    def equal(self, predicted: str, expected: str) -> bool:
        """Whether both are numbers, of the same value."""
        from reason_answers import values

        left, right = values.read(predicted), values.read(expected)
        return left is not None and left == right
