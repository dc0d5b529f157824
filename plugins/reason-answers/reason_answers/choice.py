"""`choice`: the letter of a multiple-choice answer, A to E."""

from __future__ import annotations

from typing import ClassVar

from reason_cli import AnswerExtractor, Extraction


class Choice(AnswerExtractor):
    """The letter that a marker, a phrase, bold type or the last line names; none where two are named at once.

    A letter counts as one only where it stands for a choice: in brackets, behind a marker, in bold or alone on its
    line. The article "A" and the C of "vitamin C" are not choices.
    """

    name = "choice"
    help = "a letter from A to E, found in a box, by marker, phrase, bold type or as the last line"
    marked: ClassVar[frozenset[str]] = frozenset({"boxed", "final-answer", "answer-tag", "hash"})

    def extract(self, text: str) -> Extraction | None:
        """The letter that `text` gives as its answer, as a capital, and where it stands."""
        from reason_answers import letters
        from reason_answers.hedges import Hedged
        from reason_answers.scope import regions

        for region in regions(text):
            for strategy, find in letters.WAYS:
                try:
                    place = find(text, region)
                except Hedged:
                    return None
                if place is not None:
                    return Extraction(text[place].upper(), strategy, (place, place + 1))
        return None

    def equal(self, predicted: str, expected: str) -> bool:
        """Whether both are the same letter; `b`, `(B)` and `B) 72` are B."""
        from reason_answers import letters

        letter = letters.read(predicted)
        return letter is not None and letter == letters.read(expected)
