"""The ways in which a text states its answer, the surest first.

A strategy looks at `text[start:end]` and returns the number it finds, or `None`. Of several markers the last
one counts: a solution that corrects itself does so at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from reason_answers import marks, values
from reason_answers.scope import Span, last_match
from reason_answers.values import Found

# So many lines whose only numbers are impossible (1e999, 3/0) are read before giving up.
LINES = 100

Strategy = Callable[[str, Span], Found | None]

_THEREFORE = re.compile(r"\b(?:therefore|thus|hence)\b|∴", re.IGNORECASE)
_ASIDE = re.compile(r"[ \t]*[(*_]{0,3}(?:check|note|verif|proof|p\.s\.|\()", re.IGNORECASE)
_DIGIT = re.compile(r"[0-9]")


def final_answer(text: str, span: Span) -> Found | None:
    """`**Final Answer:** 72`."""
    return _result(text, marks.final_answer(text, span))


def hash_mark(text: str, span: Span) -> Found | None:
    """`#### 72`."""
    return _result(text, marks.hash_mark(text, span))


def boxed(text: str, span: Span) -> Found | None:
    r"""`\boxed{72}`."""
    return _result(text, marks.boxed(text, span))


def the_answer_is(text: str, span: Span) -> Found | None:
    """`The answer is 72.`"""
    return _result(text, marks.the_answer_is(text, span))


def therefore(text: str, span: Span) -> Found | None:
    """`Therefore she has 72 marbles.`: the last number of that line, if only asides follow it.

    A "therefore" in the middle of a solution is a step, not its end.
    """
    marker = last_match(_THEREFORE, text, *span)
    if marker is None:
        return None
    start, end = marks.line(text, marker.end(), span[1])
    return values.last(text, start, end) if _only_asides(text, end, span[1]) else None


def last_number(text: str, span: Span) -> Found | None:
    """The last number that stands anywhere, looked for line by line from the end."""
    start, end = span
    for _ in range(LINES):
        digit = values.last_digit(text, start, end)
        if digit < 0:
            return None
        line = text.rfind("\n", start, digit) + 1 or start
        found = values.last(text, line, marks.line_end(text, digit, end))
        if found is not None:
            return found
        end = line
    return None


STRATEGIES: tuple[tuple[str, Strategy], ...] = (
    ("final-answer", final_answer),
    ("hash", hash_mark),
    ("boxed", boxed),
    ("the-answer-is", the_answer_is),
    ("therefore", therefore),
    ("last-number", last_number),
)


def _result(text: str, marked: Span | None) -> Found | None:
    """The first number after the last equals sign: `12 + 60 = 72 marbles` says 72."""
    if marked is None:
        return None
    start, end = marked
    equals = text.rfind("=", start, end)
    return (values.first(text, equals, end) if equals >= 0 else None) or values.first(text, start, end)


def _only_asides(text: str, start: int, end: int) -> bool:
    """Whether every line with a digit in it is a check, a note or a parenthesis."""
    return all(_ASIDE.match(line) or not _DIGIT.search(line) for line in text[start:end].splitlines())
