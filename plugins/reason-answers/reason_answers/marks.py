"""Where a text marks its answer, whatever the answer is. Knows no numbers.

Each way looks at `text[start:end]` and gives the span that the last of its markers opens, or `None`. Of several
markers the last one counts: a solution that corrects itself does so at the end.
"""

from __future__ import annotations

import re

from reason_answers.scope import Span, last_match

# The patterns open with a plain character: the scan then skips all others.
_FINAL_ANSWER = re.compile(
    r"[Ff](?<!\w[Ff])(?i:inal)[ \t_-]{1,3}(?i:answer)(?:[ \t]{0,3}\([^()\n]{1,40}\))?"
    r"(?:[ \t*_]{0,6}(?:[:=>\u2192]|-[ \t]|[\u2013\u2014])|[*_]{1,3}|[ \t]{0,3}\n)"
    r"|[Ff](?<!\S[Ff])(?<!\w [Ff])(?i:inal answer)[*_]{0,3}[ \t]{1,3}(?i:is)\b:?"
    # As simple-evals and inspect ask for it.
    r"|A(?<!\wA)NSWER[*_]{0,3}[ \t]{0,3}:"
)
_TAG = re.compile(r"[<\[](?i:(?:final[_ -]?)?answer|ans)[>\]]")
_TAG_ENDS = re.compile(r"[<\[]/(?i:(?:final[_ -]?)?answer|ans)[>\]]")
_HASH = re.compile(r"####")
_ANSWER_IS = re.compile(
    r"[Aa](?<!\w[Aa])(?i:nswer)[*_\"'`]{0,3}"
    r"(?:[ \t]{1,3}(?i:is|equals|would be|will be|should be|comes out to|comes to)\b|[ \t]{0,3}[:=])"
)
_BOX = re.compile(r"\\(?:boxed|fbox)[ \t]{0,3}\{")
DEEPEST = 20_000  # nested braces; no answer has more, and a million would take their time
_BLANK = re.compile(r"[ \t\r\n*]*")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


def final_answer(text: str, span: Span) -> Span | None:
    """The line of `**Final Answer:** 72`, or the one after it; also `ANSWER: 72` and a line `Final answer is 72`."""
    return _after(_FINAL_ANSWER, text, span)


def answer_tag(text: str, span: Span) -> Span | None:
    """What stands in `<answer>72</answer>`; all that follows `<answer>` where it is not closed."""
    marker = last_match(_TAG, text, *span)
    if marker is None:
        return None
    closing = _TAG_ENDS.search(text, marker.end(), span[1])
    return marker.end(), closing.start() if closing else span[1]


def hash_mark(text: str, span: Span) -> Span | None:
    """The line of `#### 72`."""
    return _after(_HASH, text, span)


def boxed(text: str, span: Span) -> Span | None:
    r"""What stands in the braces of `\boxed{72}`, if they are closed."""
    marker = last_match(_BOX, text, *span)
    if marker is None:
        return None
    closing = _closing_brace(text, marker.end(), span[1])
    return None if closing is None else (marker.end(), closing)


def the_answer_is(text: str, span: Span) -> Span | None:
    """The line of `The answer is 72.`"""
    return _after(_ANSWER_IS, text, span)


def last_line(text: str, span: Span) -> Span | None:
    """The last line that is not blank."""
    found = trimmed(text, span)
    return (max(text.rfind("\n", *found) + 1, found[0]), found[1]) if found else None


def line(text: str, start: int, end: int) -> Span:
    """The line at `start`, or the next one that is not blank."""
    blank = _BLANK.match(text, start, end)
    start = blank.end() if blank else start
    return start, line_end(text, start, end)


def line_end(text: str, start: int, end: int) -> int:
    """Where the line at `start` ends."""
    stop = text.find("\n", start, end)
    return end if stop < 0 else stop


def trimmed(text: str, span: Span, marks: str = " \t\r\n*") -> Span | None:
    """The span without these characters at its ends, or `None` when nothing else stands in it."""
    start, end = span
    inner = text[start:end].lstrip(marks)
    start, inner = end - len(inner), inner.rstrip(marks)
    return (start, start + len(inner)) if inner else None


def _after(marker: re.Pattern[str], text: str, span: Span) -> Span | None:
    match = last_match(marker, text, *span)
    return line(text, match.end(), span[1]) if match else None


def _closing_brace(text: str, start: int, end: int) -> int | None:
    """Where the brace that is open at `start` is closed; `None` when it is not, or braces are nested too deep."""
    depth = 1
    for brace in _BRACE.finditer(text, start, end):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.start()
        if depth > DEEPEST:
            return None
    return None
