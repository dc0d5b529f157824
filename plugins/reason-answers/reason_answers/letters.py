r"""The ways in which a text names a choice from A to E, the surest first.

A way looks at `text[start:end]` and gives the place of the letter, or `None`; it raises `Hedged` where two letters are
named at once. Of several markers the last one counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from reason_answers import marks
from reason_answers.hedges import Hedged
from reason_answers.latex import boxed
from reason_answers.scope import Span, last_match

Way = Callable[[str, Span], int | None]

LONGEST = 400  # characters of a line that are read
NEAR = 30  # characters before a letter in which another may be named

_STYLE = r"(?:\\(?:text(?:bf|it|rm)?|math(?:bf|rm|it)|boxed|fbox)[ ]?\{){0,3}"
# What may stand between a marker and its letter.
_LEAD = re.compile(
    r"(?:[\s*_$`\"'“:>=-]|\\[(\[]|\b(?:the|correct|right|best|most|likely|final|answer|option|choice|letter|is|would|be"
    r"|therefore|thus|so|definitely|clearly|probably|either|both|must|should)\b)*",
    re.IGNORECASE,
)
# A letter that opens what is said: (B), B) 72, **B**, \text{B}, B. As a word of its own it is a capital, and A is an
# article before a word that says nothing of the choice.
_OPENING = re.compile(
    _STYLE + r"(?:[(\[]\s?(?P<bracketed>[A-Ea-e])\s?[)\]]|(?P<marked>[A-Ea-e])(?:[)\]}]|[.:]?(?:\*\*|\Z))"
    r"|(?P<bare>[B-E]|A(?!\s+(?!because|since|as|is|and|or|which|but|with)[a-z]))(?![\w'’+#]|-\w|\s?[=^]))"
)
_ALSO = re.compile(
    r"[)\]}*_.$\\]{0,6}(?:[,\s]|\\text\s?\{|\})*(?:\bor\b|\band\b|[,/&])[\s}*_]{0,4}(?:\\text\s?\{)?"
    r"(?:(?:option|choice)\s)?[*_]{0,2}(?:[(\[]\s?(?P<bracketed>[A-Ea-e])\s?[)\]]|(?P<bare>[A-E])(?![\w'’]|-\w))"
)
_ALSO_BEFORE = re.compile(
    r"(?<![\w'’])([A-E])[)\]}*_$]{0,6}(?:\s?,\s|\s(?:or|and)\s|/)(?:(?:option|choice)\s)?[\[({*_$]{0,4}\Z",
    re.IGNORECASE,
)
_NOT = re.compile(r"\bnot\s+(?:[(\[])?[A-E][)\]]?\W+(?:but\s+)?(?:rather\s+)?")
_BRACKETED = re.compile(r"(?<![\w(])[(\[]([A-Ea-e])[)\]]|\\text(?:bf|it|rm)?\{\s*\(?([A-E])\)?\s*\}")
_SAYS = re.compile(
    r"\b(?:answer|option|choice|solution)[\"'*_]{0,4}[ \t]{0,3}"
    r"(?:(?:is|would be|must be|should be)\b|[:=])|\b(?:choose|pick|select|go with|chose)\b",
    re.IGNORECASE,
)
_OPTION = re.compile(
    r"\b(?i:option|choice|alternative)[ \t]{1,3}[*_]{0,3}(?:[(\[](?P<bracketed>[A-Ea-e])[)\]]|(?P<bare>[A-Eb-e]))"
    r"(?![\w'’])(?!\W{1,6}(?:is|are|was|can be)\s(?:not|wrong|incorrect|false|out|eliminated|ruled))"
)
_BOLD = re.compile(r"\*\*[(\[]?([A-Ea-e])[)\]]?[.:]?(?:\*\*|[ \t][^*\n]{1,80}\*\*)")
_ARTICLE = re.compile(r"\*\*[Aa][ \t]")
# A line that is a choice and nothing else: B, (B), B. Paris, B) 72.
_LINE = re.compile(
    r"[\s*_$>`\"'#]*(?:[(\[]?(?P<alone>[A-Ea-e])[)\].:]{0,2}|(?P<listed>[A-Ea-e])[).:]\s.*"
    r"|[(\[](?P<first>[A-Ea-e])[)\]].*)[\s*_$`\"']*"
)


def in_box(text: str, span: Span) -> int | None:
    r"""`\boxed{B}`, `\boxed{\textbf{(B)} 72}`."""
    return _said(text, boxed(text, span))


def final_answer(text: str, span: Span) -> int | None:
    """`**Final Answer:** B`."""
    return _said(text, marks.final_answer(text, span))


def answer_tag(text: str, span: Span) -> int | None:
    """`<answer>B</answer>`."""
    return _said(text, marks.answer_tag(text, span))


def hash_mark(text: str, span: Span) -> int | None:
    """`#### B`."""
    return _said(text, marks.hash_mark(text, span))


def the_answer_is(text: str, span: Span) -> int | None:
    """`The correct option is (B) 72`, `Answer: B`, `I choose B`."""
    match = last_match(_SAYS, text, *span)
    return _said(text, marks.line(text, match.end(), span[1])) if match else None


def option(text: str, span: Span) -> int | None:
    """`so option B fits`, `choice (c)`; not one that is ruled out."""
    match = last_match(_OPTION, text, *span)
    return _place(text, match, match.end() + LONGEST) if match else None


def bold(text: str, span: Span) -> int | None:
    """`so **B** is right`, `**B) 72**`; not `**A dog**`."""
    match = last_match(_BOLD, text, *span)
    return _place(text, match, match.end() + LONGEST) if match and not _ARTICLE.match(match[0]) else None


def last_line(text: str, span: Span) -> int | None:
    """`B`, `(B)`, `B. Paris` as the last line, unless it ends the list of choices; or the one `(B)` in it."""
    line = marks.last_line(text, span)
    if line is None or line[1] - line[0] > LONGEST:
        return None
    match = _LINE.fullmatch(text, *line)
    if match:
        place = match.start(match.lastgroup or 0)
        before = marks.last_line(text, (max(span[0], line[0] - LONGEST), line[0]))
        above = _LINE.fullmatch(text, *before) if before else None
        return None if above and text[place].upper() != _letter(above) else _checked(text, place, line[1])
    named = list(_BRACKETED.finditer(text, *line))
    if len({_letter(found) for found in named}) > 1:
        raise Hedged
    return _place(text, named[-1], line[1]) if named else None


WAYS: tuple[tuple[str, Way], ...] = (
    ("boxed", in_box),
    ("final-answer", final_answer),
    ("answer-tag", answer_tag),
    ("hash", hash_mark),
    ("the-answer-is", the_answer_is),
    ("option", option),
    ("bold", bold),
    ("last-line", last_line),
)


def read(text: str) -> str | None:
    """The letter that an answer is, as a capital; `None` if it is none, or more than one."""
    try:
        place = _said(text, (0, len(text)))
    except Hedged:
        return None
    if place is None and len(text) <= LONGEST:
        match = _LINE.fullmatch(text)
        place = match.start(match.lastgroup or 0) if match else None
    return None if place is None else text[place].upper()


def _said(text: str, span: Span | None) -> int | None:
    """The letter that a marker is followed by: what opens the line, or the first in brackets."""
    found = marks.trimmed(text, span) if span else None
    if found is None:
        return None
    start, end = found[0], min(found[1], found[0] + LONGEST)
    lead = _LEAD.match(text, start, end)
    start = lead.end() if lead else start
    other = _NOT.match(text, start, end)
    start = other.end() if other else start
    match = _OPENING.match(text, start, end) or _BRACKETED.search(text, start, marks.line_end(text, start, end))
    return _place(text, match, end) if match else None


def _place(text: str, match: re.Match[str], end: int) -> int:
    return _checked(text, match.start(match.lastindex or 0), end)


def _checked(text: str, place: int, end: int) -> int:
    """The place, if no other letter is named beside the one there."""
    after = _ALSO.match(text, place + 1, end)
    before = _ALSO_BEFORE.search(text, max(0, place - NEAR), place)
    for other in filter(None, (after, before)):
        if other[other.lastindex or 0].upper() != text[place].upper():
            raise Hedged
    return place


def _letter(match: re.Match[str]) -> str:
    return match[match.lastindex or 0].upper()
