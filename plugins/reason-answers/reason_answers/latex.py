r"""Where an expression stands in a text: in a box, between dollar signs, in the line that a marker opens.

Every way is one pass over the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from reason_answers import marks
from reason_answers.scope import Span, last_match

Find = Callable[[str, Span], Span | None]

LONGEST = 2_000  # characters of a display that opens on its own line
BOXES = 4  # so many unclosed boxes at the end of a text are passed over

_BOX_WITHOUT_BRACES = re.compile(r"\\(?:boxed|fbox)(?:[ \t]{1,3}([^\s{}$.,;]+)|(\d+))")
_LONE_COMMAND = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])")
_DOLLARS = re.compile(r"(?<![\\$])\$(?![\s$])([^$\n]{1,500})(?<![\s\\])\$(?![\d$])")
_INLINE = re.compile(r"(?<![\\$])\$(?![\s$])[^$\n]{1,500}(?<![\s\\])\$(?![\d$])|\\\((?:(?!\\[()]).){1,500}\\\)")
_DISPLAYS = ((r"\[", r"\]"), (r"\(", r"\)"), ("$$", "$$"))
_JOINED = re.compile(r"[\s,;]*(?:and|or)?\s*")
# What a sentence says before its answer, and after it.
_BEFORE = re.compile(
    r"(?:[\s:*]|(?:therefore|thus|approximately|about|exactly|simply|equal to|just)\b)+", re.IGNORECASE
)
_AFTER = re.compile(
    r"[,;]?\s(?:because|since|which|where|so that|as (?:required|desired|expected))\b|[.!]\s+(?=[A-Z])", re.IGNORECASE
)
_DIGIT = re.compile(r"[0-9]")


def boxed(text: str, span: Span) -> Span | None:
    r"""What stands in the last `\boxed{72}` that is closed; also `\boxed 72`, which TeX reads too."""
    start, end = span
    for _ in range(BOXES):
        last = last_match(_LONE_COMMAND, text, start, end)
        if last is None:
            return None
        loose = _BOX_WITHOUT_BRACES.match(text, last.start(), end)
        found = loose.span(loose.lastindex or 0) if loose else marks.boxed(text, (last.start(), end))
        if found:
            return found
        end = last.start()
    return None


def displayed(text: str, span: Span) -> Span | None:
    r"""What stands in the last `$…$`, where the signs hug it (those of `$5 and $6` are money), `\(…\)` or display."""
    match = last_match(_DOLLARS, text, *span)
    found = [match.span(1)] if match else []
    for opening, closing in _DISPLAYS:
        end = text.rfind(closing, *span)
        start = text.rfind(opening, span[0], end) if end >= 0 else -1
        found += [(start + 2, end)] if start >= 0 and end - start <= LONGEST else []
    return max(found, key=lambda pair: pair[1], default=None)


def stated(text: str, line: Span, end: int) -> Span | None:
    r"""The expression in the line that a marker opens: its box, its `$…$`, else what its sentence says.

    A display that opens in the line may end in a later one, before `end`.
    """
    inner = boxed(text, line)
    if inner is None:
        again = marks.the_answer_is(text, line)
        inner = _inline(text, _opened(text, again or line, end))
    return bare(text, inner)


def bare(text: str, span: Span) -> Span | None:
    r"""The span without the signs around an expression: `**`, `$`, `\(`, `\)`, a box, a full stop."""
    trimmed = marks.trimmed(text, boxed(text, span) or span)
    while trimmed:
        start, end = trimmed
        for opening, closing in (*_DISPLAYS, ("$", "$"), ("`", "`")):
            if text.startswith(opening, start, end) and text.endswith(closing, start + len(opening), end):
                inside = start + len(opening), end - len(closing)
                if text.find(opening, *inside) < 0:
                    start, end = inside
        if text.endswith(".", start, end) and not text.endswith("..", start, end):
            end -= 1
        if (start, end) == trimmed:
            break
        trimmed = marks.trimmed(text, (start, end))
    return trimmed


def _opened(text: str, line: Span, end: int) -> Span:
    r"""The line, or the whole display where it opens one that ends later: `\[`, `$$`."""
    start = line[0]
    for opening, closing in _DISPLAYS:
        if text.startswith(opening, start, end):
            closed = text.find(closing, start + 2, min(end, start + LONGEST))
            return (start, closed + 2) if closed >= 0 else line
    return line


def _inline(text: str, line: Span) -> Span:
    """The first `$…$` of a line with those that are joined to it, unless a number stands before it; or its sentence."""
    found = [match.span() for match in _INLINE.finditer(text, *line)]
    if not found or _DIGIT.search(text, line[0], found[0][0]):
        return _sentence(text, line)
    (start, end), *others = found
    for following in others:
        if not _JOINED.fullmatch(text, end, following[0]):
            break
        end = following[1]
    return start, end


def _sentence(text: str, line: Span) -> Span:
    """A line without the words that lead to an answer, and without what is said after it."""
    before = _BEFORE.match(text, *line)
    start = before.end() if before else line[0]
    after = _AFTER.search(text, start, line[1])
    return start, after.start() if after else line[1]


def _around(find: Find) -> Find:
    """The way that gives the bare expression of what `find` finds."""

    def way(text: str, span: Span) -> Span | None:
        found = find(text, span)
        return bare(text, found) if found else None

    return way


def _on_line(find: Find) -> Find:
    """The way that gives the expression in the line that `find` finds."""

    def way(text: str, span: Span) -> Span | None:
        found = find(text, span)
        return stated(text, found, span[1]) if found else None

    return way


# How a text states an expression, the surest way first; each gives the span of it, without the signs around it.
WAYS: tuple[tuple[str, Find], ...] = (
    ("boxed", _around(boxed)),
    ("final-answer", _on_line(marks.final_answer)),
    ("answer-tag", _on_line(marks.answer_tag)),
    ("hash", _on_line(marks.hash_mark)),
    ("the-answer-is", _on_line(marks.the_answer_is)),
    ("dollars", _around(displayed)),
)
