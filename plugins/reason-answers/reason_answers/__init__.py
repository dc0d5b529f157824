"""Answer extractors: where a text states its answer, and when two answers are the same."""

from __future__ import annotations

from collections.abc import Iterable

from reason_answers.approximate import Approximate
from reason_answers.choice import Choice
from reason_answers.expression import Math
from reason_answers.number import Number
from reason_answers.phrase import Phrase
from reason_answers.strict import Strict
from reason_cli import AnswerExtractor, hookimpl


@hookimpl
def register_extractors() -> Iterable[AnswerExtractor]:
    """The extractors of this plugin."""
    return [Number(), Strict(), Approximate(), Math(), Choice(), Phrase()]
