"""`svamp`: elementary word problems, varied so that their wording cannot be guessed from.

The story and the question are two columns; the copy of the authors of PAL has `input` and `target` instead. The
hub's splits and columns are from its card and from code that loads it; every row of the copy was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reason_cli import Example
from reason_datasets.fields import number_of, tags_of, text_of


def read(row: Mapping[str, Any], options: Any) -> Example:
    """What a row says, in either layout."""
    if isinstance(row, Mapping) and "input" in row:
        return Example(text_of(row, "input"), "", number_of(row, "target"))
    question = f"{ended(text_of(row, 'Body'))} {text_of(row, 'Question')}"
    return Example(question, "", number_of(row, "Answer"), tags_of(row, "Type"))


def ended(story: str) -> str:
    """The story with a full stop, which many bodies lack."""
    return story if story[-1] in ".?!,;:" else f"{story}."
