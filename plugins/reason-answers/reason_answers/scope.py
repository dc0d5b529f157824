"""Which parts of a text may hold the answer, and the last match in one. Knows no numbers."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

Span = tuple[int, int]

# Where a model that did not stop runs on into another turn or another question.
_RUN_ON = re.compile(
    r"<\|(?:im_start|im_end|endoftext|eot_id|end)\|>"
    r"|^[ \t]*[*#]{0,4}[ \t]?(?:question|q|user|human|problem)[ \t]{0,2}\d{0,4}[*]{0,2}:",
    re.IGNORECASE | re.MULTILINE,
)
_THINKING_ENDS = "</think>"


def regions(text: str) -> Iterator[Span]:
    """Where to look, the best place first: after the thinking, then the whole turn."""
    end = _turn_end(text)
    thought = text.rfind(_THINKING_ENDS, 0, end)
    if thought >= 0:
        yield thought + len(_THINKING_ENDS), end
    yield 0, end


def last_match(pattern: re.Pattern[str], text: str, start: int, end: int) -> re.Match[str] | None:
    """The last match of `pattern` in `text[start:end]`, in one pass."""
    return next(iter(deque(pattern.finditer(text, start, end), maxlen=1)), None)


def _turn_end(text: str) -> int:
    """Where the first turn that says something ends."""
    for match in _RUN_ON.finditer(text):
        if text[: match.start()].strip():
            return match.start()
    return len(text)
