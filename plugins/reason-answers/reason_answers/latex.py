r"""Answers as LaTeX writes them: where one stands, and the normal form in which two that look alike are the same.

Every step is one pass over the text. It rewrites what is written and does no algebra: x + 1 is not 1 + x.
"""

from __future__ import annotations

import re
from fractions import Fraction

from reason_answers import marks, values
from reason_answers.scope import Span, last_match

# Nothing longer is an answer; longer texts are compared as they stand.
LONGEST = 2_000  # characters

_BOX_WITHOUT_BRACES = re.compile(r"\\(?:boxed|fbox)[ \t]{1,3}([^\s{}$.,;]+)")
_DOLLARS = re.compile(r"(?<![\\$])\$(?![\s$])([^$\n]{1,500})(?<![\s\\])\$(?![\d$])")
_LONE_COMMAND = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])")

# What only changes how an expression looks.
_LOOKS = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|limits|bigl?|bigr|Bigl?|Bigr|quad|qquad)(?![a-zA-Z])"
    r"|(?<!\\)\\[!,;: ]|\\\$|[~$]"
)
_SPELLINGS = (
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\^(?:\\circ|\{\s*\\circ\s*\})|\\degree(?![a-zA-Z])|°"), ""),
    (re.compile(r"\\?%"), ""),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\(?:geq|ge)(?![a-zA-Z])"), r"\\ge "),
    (re.compile(r"\\(?:leq|le)(?![a-zA-Z])"), r"\\le "),
    (re.compile(r"\\(?:neq|ne)(?![a-zA-Z])"), r"\\ne "),
    (re.compile(r"[\u2212\u2013]"), "-"),
)
_WORDS = r"\\(?:text|textbf|textit|textrm|mbox|mathrm|operatorname)\s*\{([^{}]*)\}"
# After a number they are a unit; elsewhere they are the answer, or a part of it.
_UNIT = re.compile(r"(?<=[\d}.])\s*(?:" + _WORDS + r"(?:\s*\^\s*\{?[23]\}?)?)+\s*$")
_PLAIN_UNIT = re.compile(r"(-?[\d.,/]*\d)\s+(?!pi\b)[a-zA-Z]{2,20}(?: [a-zA-Z]{2,20}){0,3}(?:\s*\^\s*\{?[23]\}?)?")
_TEXT = re.compile(_WORDS)
_NAMED = re.compile(r"(?:[a-zA-Z]|\\[a-z]{2,8})(?:\([a-zA-Z]\))?(?:=|\\in(?![a-zA-Z]))")
_SHORT_FRACTION = re.compile(r"\\frac(?:\{([^{}]*)\}|(\d))(?:\{([^{}]*)\}|(\d))")
_SHORT_ROOT = re.compile(r"\\sqrt(\d)")
_SLASH = re.compile(r"(-?)(\d+)/(\d+)")
_CHOICE = re.compile(r"\(([A-Za-z])\)")


def boxed(text: str, span: Span) -> Span | None:
    r"""What stands in the last `\boxed{72}`; also `\boxed 72`, which TeX reads too."""
    loose = last_match(_BOX_WITHOUT_BRACES, text, *span)
    last = last_match(_LONE_COMMAND, text, *span)
    if loose and last and loose.start() == last.start():
        return loose.span(1)
    return marks.boxed(text, span)


def dollars(text: str, span: Span) -> Span | None:
    """What stands in the last `$…$`, where the signs hug it: those of `$5 and $6` are money."""
    match = last_match(_DOLLARS, text, *span)
    return match.span(1) if match else None


def bare(text: str, span: Span) -> Span | None:
    r"""The span without the signs around an expression: `**`, `$`, `\(`, `\)`, a box, a full stop."""
    inner = boxed(text, span) or span
    trimmed = marks.trimmed(text, inner)
    while trimmed:
        start, end = trimmed
        for opening, closing in (("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
            if text.startswith(opening, start, end) and text.endswith(closing, start + len(opening), end):
                start, end = start + len(opening), end - len(closing)
        if text.endswith(".", start, end) and not text.endswith("..", start, end):
            end -= 1
        if (start, end) == trimmed:
            break
        trimmed = marks.trimmed(text, (start, end))
    return trimmed


def normal(text: str) -> str:
    """The normal form of an answer; two that differ only in looks, spelling or unit have the same."""
    if len(text) > LONGEST:
        return text
    plain = text.strip().rstrip(".").strip()
    unit = _PLAIN_UNIT.fullmatch(plain)
    plain = _LOOKS.sub("", unit[1] if unit else plain)
    for pattern, spelling in _SPELLINGS:
        plain = pattern.sub(spelling, plain)
    plain = _TEXT.sub(r"\1", _UNIT.sub("", plain))
    plain = "".join(plain.split())
    named = _NAMED.match(plain)
    plain = plain[named.end() :] if named and named.end() < len(plain) else plain
    plain = _SHORT_ROOT.sub(r"\\sqrt{\1}", _SHORT_FRACTION.sub(_whole_fraction, plain))
    slash, choice = _SLASH.fullmatch(plain), _CHOICE.fullmatch(plain)
    if slash:
        return f"{slash[1]}\\frac{{{slash[2]}}}{{{slash[3]}}}"
    return choice[1] if choice else plain


def value(plain: str) -> Fraction | None:
    """The value of a normal form that is a number, or `None`."""
    return values.whole(plain)


def _whole_fraction(match: re.Match[str]) -> str:
    top, bottom = (match[1] if match[2] is None else match[2]), (match[3] if match[4] is None else match[4])
    return f"\\frac{{{top}}}{{{bottom}}}"
