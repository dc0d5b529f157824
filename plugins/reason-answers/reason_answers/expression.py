"""`math`: a mathematical expression, found in its box or by its mark, compared as written or as a number."""

from __future__ import annotations

from reason_cli import AnswerExtractor, Extraction


class Math(AnswerExtractor):
    r"""The last `\boxed{}`, else what a marker says, else the last `$…$`, else the last number."""

    name = "math"
    help = r"an expression, found in the last \boxed{}, by marker, in $…$ or as a number; compared as LaTeX or by value"

    def extract(self, text: str) -> Extraction | None:
        """The expression that `text` gives as its answer, and where it stands."""
        from reason_answers import latex, marks
        from reason_answers.scope import regions
        from reason_answers.strategies import last_number

        ways = (
            ("boxed", latex.boxed),
            ("final-answer", marks.final_answer),
            ("hash", marks.hash_mark),
            ("the-answer-is", marks.the_answer_is),
            ("dollars", latex.dollars),
        )
        for region in regions(text):
            for strategy, find in ways:
                marked = find(text, region)
                span = latex.bare(text, marked) if marked else None
                if span:
                    return Extraction(text[slice(*span)], strategy, span)
            number = last_number(text, region)
            if number:
                return Extraction(text[slice(*number.span)], "last-number", number.span)
        return None

    def equal(self, predicted: str, expected: str) -> bool:
        """Whether both are written the same, small differences aside, or are numbers of the same value."""
        from reason_answers import latex

        left, right = latex.normal(predicted), latex.normal(expected)
        if left == right:
            return bool(left) or predicted == expected
        value = latex.value(left)
        return value is not None and value == latex.value(right)
