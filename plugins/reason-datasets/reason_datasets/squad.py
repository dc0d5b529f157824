"""`squad-v2`: questions about a paragraph, some of which it does not answer.

The paragraph is part of the question. Any of the answers that people gave is accepted. Columns and splits are from
code that loads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reason_cli import BadRow, Example
from reason_datasets.fields import text_of, value_of

UNANSWERABLE = "unanswerable"
HOW = f'Answer with words of the text, or with "{UNANSWERABLE}" if it does not say.'


def read(row: Mapping[str, Any], options: Any) -> Example:
    """What a row says."""
    question = f"{text_of(row, 'context')}\n\n{text_of(row, 'question')}\n{HOW}"
    answers = _texts(value_of(row, "answers")) or (UNANSWERABLE,)
    answerable = "no" if answers == (UNANSWERABLE,) else "yes"
    return Example(question, "", answers[0], {"answerable": answerable}, {"answers": answers})


def _texts(answers: Any) -> tuple[str, ...]:
    texts = answers.get("text") if isinstance(answers, Mapping) else None
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise BadRow("column 'answers' is no object with a list of texts under 'text'")
    return tuple(text.strip() for text in texts)
