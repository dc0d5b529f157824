"""`math`: a mathematical expression, found in its box or by its mark, compared by what it stands for."""

from __future__ import annotations

from typing import ClassVar

from reason_cli import AnswerExtractor, Extraction


class Math(AnswerExtractor):
    r"""The last `\boxed{}`, else what a marker says, else the last `$…$`, else the last number.

    Answers are compared by what they stand for: numbers, expressions, equations, sets, intervals, points, words.
    Pure, bounded in time, and the same in every thread; nothing of a text is ever run.
    """

    name = "math"
    help = (
        r"an expression, found in the last \boxed{}, by marker, in $…$ or as a number; compared by what it stands for"
    )
    marked: ClassVar[frozenset[str]] = frozenset({"boxed", "final-answer", "answer-tag", "hash"})

    def extract(self, text: str) -> Extraction | None:
        """The expression that `text` gives as its answer, as it is written, and where it stands."""
        from reason_answers import latex
        from reason_answers.scope import regions

        for region in regions(text):
            for strategy, find in latex.WAYS:
                span = find(text, region)
                if span:
                    return Extraction(text[slice(*span)], strategy, span)
            number = _last_number(text, region)
            if number:
                return number
        return None

    def equal(self, predicted: str, expected: str) -> bool:
        """Whether both stand for the same; `False` where one is not understood and they are written differently."""
        from reason_answers.algebra import reading, sameness

        left, right = predicted.strip(), expected.strip()
        if left == right:
            return bool(left) or predicted == expected
        if len(left) > reading.LONGEST or len(right) > reading.LONGEST:
            return False
        value, other = reading.plain_number(left), reading.plain_number(right)
        if value is not None and other is not None:
            return value == other
        return sameness.same_answer(reading.read(left), reading.read(right))


def _last_number(text: str, region: tuple[int, int]) -> Extraction | None:
    from reason_answers import values
    from reason_answers.hedges import Hedged
    from reason_answers.strategies import last_number

    try:
        found = last_number(text, region)
    except Hedged:
        return None
    if found is None:
        return None
    written = text[slice(*found.span)]
    named = not any("0" <= sign <= "9" for sign in written)  # "seven"
    return Extraction(values.canonical(found.value) if named else written, "last-number", found.span)
