"""`phrase`: a few words, compared as SQuAD compares them."""

from __future__ import annotations

from typing import ClassVar

from reason_cli import AnswerExtractor, Example, Extraction


class Phrase(AnswerExtractor):
    """What a marker says, else the last line; equal when case, punctuation, articles and spaces are left aside.

    An example may accept several answers: `reference["answers"]`.
    """

    name = "phrase"
    marked: ClassVar[frozenset[str]] = frozenset({"final-answer", "answer-tag", "hash", "boxed"})
    help = "a few words, found by marker or as the last line, compared without case, punctuation and articles"

    def extract(self, text: str) -> Extraction | None:
        """The words that `text` gives as its answer."""
        from reason_answers import marks
        from reason_answers.scope import regions

        ways = (
            ("final-answer", marks.final_answer),
            ("answer-tag", marks.answer_tag),
            ("hash", marks.hash_mark),
            ("boxed", marks.boxed),
            ("the-answer-is", marks.the_answer_is),
            ("last-line", marks.last_line),
        )
        for region in regions(text):
            for strategy, find in ways:
                marked = find(text, region)
                span = marks.trimmed(text, marked) if marked else None
                if span:
                    return Extraction(text[slice(*span)], strategy, span)
        return None

    def equal(self, predicted: str, expected: str) -> bool:
        """Whether both say the same words."""
        left, right = _plain(predicted), _plain(expected)
        return left == right if left or right else predicted == expected

    def correct(self, predicted: str, example: Example) -> bool:
        """Whether it is the example's answer, or another that is accepted."""
        others = example.reference.get("answers", ())
        return any(self.equal(predicted, answer) for answer in (example.answer, *others))


def _plain(text: str) -> str:
    """SQuAD's normal form (arXiv 1606.05250): lower case, no punctuation, no articles, single spaces."""
    import string

    bare = text.lower().translate(dict.fromkeys(map(ord, string.punctuation)))
    return " ".join(word for word in bare.split() if word not in ("a", "an", "the"))
