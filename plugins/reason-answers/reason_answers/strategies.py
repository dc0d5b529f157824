"""The ways in which a text states its answer, the surest first.

A strategy looks at `text[start:end]` and returns the number it finds, or `None`; it raises `Hedged` where the text
gives two answers. Of several markers the last one counts: a solution that corrects itself does so at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from reason_answers import marks, statement, values
from reason_answers.scope import Span, last_match
from reason_answers.values import Found

# So many lines without a number to read (1e999, 3/0, "step 3") are passed over before giving up.
LINES = 50
# To find the last number of a line, so many characters before its last digit are enough.
TAIL = 1_000
NEAR = 120  # characters around a box that may take its answer back

Strategy = Callable[[str, Span], Found | None]

_THEREFORE = re.compile(r"[TtHh](?<!\w[TtHh])(?i:herefore|hus|ence)\b|∴")
_ASIDE = re.compile(r"[ \t]*[(*_]{0,3}(?:check|note|verif|proof|p\.s\.|\()", re.IGNORECASE)
_DIGIT = re.compile(r"[0-9]")
# A line that only leads to the next: "The total is:", `$$`, `\[`, a code fence.
_LEADS_ON = re.compile(r"[^\n]{0,200}:[*_\s]*|[\s$`*_#>({]*(?:\\\[|\\\(|\\begin\{\w+\*?\}|`{3}\w*)?[\s$`*_>{]*")


def final_answer(text: str, span: Span) -> Found | None:
    """`**Final Answer:** 72`."""
    return _marked(text, marks.final_answer(text, span), span[1])


def answer_tag(text: str, span: Span) -> Found | None:
    """`<answer>72</answer>`; where a whole solution stands in it, what that states."""
    inside = marks.answer_tag(text, span)
    if inside is None:
        return None
    line = marks.trimmed(text, inside)
    if line is None:
        return None
    if "\n" not in text[slice(*line)]:
        return statement.answer(text, line)
    ways = (final_answer, hash_mark, boxed, the_answer_is, last_number)
    return next((found for find in ways if (found := find(text, inside))), None)


def hash_mark(text: str, span: Span) -> Found | None:
    """`#### 72`."""
    return _marked(text, marks.hash_mark(text, span), span[1])


def boxed(text: str, span: Span) -> Found | None:
    r"""`\boxed{72}`, but not `\boxed{72} or \boxed{73}`."""
    inside = marks.trimmed(text, marks.boxed(text, span) or (0, 0), " \t\r\n{")
    found = statement.answer(text, inside) if inside else None
    if found:
        start, end = max(span[0], found.span[0] - NEAR), min(span[1], found.span[1] + NEAR)
        start = text.rfind("\n", start, found.span[0]) + 1 or start
        around = list(values.numbers(text, start, marks.line_end(text, found.span[1], end)))
        if found in around:
            statement.refuse_two(text, around, around.index(found), end, marked=False)
    return found


def the_answer_is(text: str, span: Span) -> Found | None:
    """`The answer is 72.`"""
    return _marked(text, marks.the_answer_is(text, span), span[1])


def therefore(text: str, span: Span) -> Found | None:
    """`Therefore she has 72 marbles.`: the last number of that line, if only asides follow it.

    A "therefore" in the middle of a solution is a step, not its end.
    """
    marker = last_match(_THEREFORE, text, *span)
    if marker is None:
        return None
    start, end = marks.line(text, marker.end(), span[1])
    if not _only_asides(text, end, span[1]):
        return None
    digit = values.last_digit(text, start, end)
    return _last_named(text, start, end) if digit < 0 else _last(text, start, end, digit)


def last_number(text: str, span: Span) -> Found | None:
    """The last number that stands anywhere, looked for line by line from the end; in words if there are no digits."""
    start, end = span
    for _ in range(LINES):
        digit = values.last_digit(text, start, end)
        if digit < 0:
            return _last_named(text, *span) if end == span[1] else None
        line = text.rfind("\n", start, digit) + 1 or start
        found = _last(text, line, marks.line_end(text, digit, end), digit)
        if found is not None:
            return found
        end = line
    return None


STRATEGIES: tuple[tuple[str, Strategy], ...] = (
    ("final-answer", final_answer),
    ("answer-tag", answer_tag),
    ("hash", hash_mark),
    ("boxed", boxed),
    ("the-answer-is", the_answer_is),
    ("therefore", therefore),
    ("last-number", last_number),
)


def _marked(text: str, line: Span | None, end: int) -> Found | None:
    """The answer of a marked line, or of the next where it only leads there."""
    for _ in range(3):
        if line is None:
            return None
        found = statement.answer(text, line)
        if found or line[1] >= end or not _LEADS_ON.fullmatch(text, *line):
            return found
        line = marks.line(text, line[1], end)
    return None


def _last(text: str, start: int, end: int, digit: int) -> Found | None:
    """The last number in digits of a line that is not struck out; its last digit is at `digit`."""
    begin = max(start, digit - TAIL)
    found = list(values.numbers(text, begin, min(end, digit + 60)))
    # Near the beginning of the tail it may have been cut in two, but then it is longer than any that is read.
    kept = [i for i, n in enumerate(found) if begin == start or n.span[0] >= begin + TAIL // 2]
    place = next((i for i in reversed(kept) if not statement.struck(text, found[i])), None)
    if place is None:
        return None
    statement.refuse_two(text, found, place, end, marked=False)
    return found[_before_aside(text, found, place, begin)]


def _before_aside(text: str, found: list[Found], place: int, begin: int) -> int:
    """The number before a parenthesis that the last one stands in: `72 (48 + 24)`, but not `48 + 24 (= 72)`."""
    at = found[place].span[0]
    opening = text.rfind("(", begin, at)
    if opening < 0 or any(mark in text[opening:at] for mark in ")="):
        return place
    return next((i for i in reversed(range(place)) if found[i].span[1] <= opening), place)


def _last_named(text: str, start: int, end: int) -> Found | None:
    """The last number in words, of the last thousand characters."""
    found = values.named_numbers(text, max(start, end - TAIL), end)
    place = next((i for i in reversed(range(len(found))) if not statement.struck(text, found[i])), None)
    if place is None:
        return None
    statement.refuse_two(text, found, place, end, marked=False)
    return found[place]


def _only_asides(text: str, start: int, end: int) -> bool:
    """Whether every line with a digit in it is a check, a note or a parenthesis."""
    if values.last_digit(text, start, end) < 0:
        return True  # said at once: cutting a million short lines takes its time
    return all(_ASIDE.match(line) or not _DIGIT.search(line) for line in text[start:end].splitlines())
