"""Which number of a line is its answer: the result of a sum, the one in the box, the first that is not struck out."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import islice

from reason_answers import signs, values
from reason_answers.digits import Value
from reason_answers.hedges import Hedged, corrected, divided
from reason_answers.scope import Span
from reason_answers.values import Found

LONGEST = 1_000  # characters of a line that are read
MOST = 40  # numbers of a marked line that are looked at

# A number after one of these is not what is stated: "not 70", "out of 100", "step 3".
_STRIKE_WORDS = "not|isn't|wasn't|instead of|rather than|out of|step|steps|equation|eq|eq."
_STRIKES = tuple(f" {words}" for words in _STRIKE_WORDS.split("|"))
_CANONICAL = re.compile(r"-?\d{1,40}", re.ASCII)
_ADVERBS = (" equal to", " exactly", " just", " about", " even", " really")
_LEAD = re.compile(
    r"\W{0,12}(?:(?:about|around|approximately|approx\.?|roughly|nearly|almost|exactly|only|just|simply|is|a total of)"
    r"\W{1,6})*",
    re.IGNORECASE,
)
_EQUALS = re.compile(r"=|≈|\\approx|\bequals\b", re.IGNORECASE)
_IS = re.compile(r"\b(?:is|makes|gives)[\s$*:]{0,4}$", re.IGNORECASE)
_OPERATOR = re.compile(
    r"(?:[-+*/×÷·]|\\times|\\cdot|\\div|(?<![A-Za-z])x|\b(?:plus|minus|times|of|divided by|multiplied by))"
    r"[\s($\\{]{0,6}$",
    re.IGNORECASE,
)
_BARE_OPERATOR = re.compile(
    r"[\s)}]{0,4}(?:[+*/×÷·^]|\\times|\\cdot|\\div|x|plus|minus|times)[\s({]{0,4}", re.IGNORECASE
)
_BREAK = re.compile(r"[,;(.]")
_LETTER = re.compile(r"[A-Za-z]")
# "After 3 days she has 72", "the 2 boys have 72": a circumstance, where another number follows.
_CIRCUMSTANCE = re.compile(
    r"\b(?:after|before|in|for|within|over|with|given|of|at|on|the|these|those|all|both|if|when|by)[ $]{1,2}$",
    re.IGNORECASE,
)
# "3 boxes of 12, so 36 eggs": a conclusion, if the line ends with it.
_SO = re.compile(r"(?:\b(?:so|thus|hence|therefore)|→|⇒|=>)[ $*:]{0,4}$", re.IGNORECASE)
_ENDING = re.compile(r"\W{0,6}(?:[A-Za-z]{1,20}\W{0,6}){0,2}")
_TOTAL = re.compile(r"\b(?:total of|total is|total to|in total|altogether|sum is|sum of)[ *:$]{0,4}$", re.IGNORECASE)


def answer(text: str, span: Span) -> Found | None:
    """The number that a marked line states, `None` if it has none; raises `Hedged` if it states two."""
    start, end = span[0], min(span[1], span[0] + LONGEST)
    found = _numbers(text, start, end)
    if not found:
        return None
    place = _place(text, (start, end), found) if len(found) > 1 else 0
    while place + 1 < len(found) and corrected(text, found[place], found[place + 1]):
        place += 1
    refuse_two(text, found, place, end, marked=True)
    return found[place]


def read(text: str) -> Value | None:
    """The value of a text that states a number, with its currency, unit and marks around it, or `None`."""
    if len(text) > LONGEST:
        return None
    if _CANONICAL.fullmatch(text):
        return Fraction(int(text))
    try:
        found = answer(signs.plain(text), (0, len(text)))
    except Hedged:
        return None
    return found.value if found else None


def refuse_two(text: str, found: list[Found], place: int, end: int, marked: bool) -> None:
    """Raise `Hedged` if the number there and a neighbour of it are two answers."""
    if len(found) == 1:
        return
    for left, right in zip(found[max(0, place - 1) : place + 1], found[max(1, place) : place + 2], strict=False):
        if divided(text, left, right, end, marked):
            raise Hedged


def struck(text: str, found: Found) -> bool:
    """Whether the words before a number take it back, or make it a label."""
    start = found.span[0]
    before = f" {text[max(0, start - 30) : start]}".rstrip(" ($*\\\n").replace("(", " ").lower()
    if before.endswith(_ADVERBS):
        before = before[: before.rindex(" ")].removesuffix(" equal")
    return before.endswith(_STRIKES)


def _numbers(text: str, start: int, end: int) -> list[Found]:
    """The numbers of the line that are not struck, those in words only where they open it or it has no others."""
    found = list(islice(values.numbers(text, start, end), MOST))
    if end - start > len(found) * 3:
        found = _with_words(text, start, found, values.named_numbers(text, start, end))
    return [number for number in found if not struck(text, number)]


def _with_words(text: str, start: int, found: list[Found], named: list[Found]) -> list[Found]:
    if not named or not found:
        return named or found
    first = found[0].span[0]
    opening = _LEAD.match(text, start)
    if named[0].span[0] < first and opening and opening.end() < named[0].span[0]:
        named = [number for number in named if number.span[0] > first]
    apart = [n for n in named if all(n.span[1] <= f.span[0] or n.span[0] >= f.span[1] for f in found)]
    return sorted([*found, *apart], key=lambda number: number.span)


def _place(text: str, span: Span, found: list[Found]) -> int:
    """Which of several numbers is the answer."""
    start, end = span
    gaps = [text[a:b] for a, b in zip([start, *(f.span[1] for f in found)], (f.span[0] for f in found), strict=False)]
    prose = bool(_LETTER.search(gaps[0]))
    boxed = [i for i, gap in enumerate(gaps) if gap.endswith(("\\boxed{", "\\fbox{", "\\boxed{$"))]
    if boxed and prose:
        return boxed[-1]
    result = _result(gaps, prose)
    if result is not None:
        return result
    if _BARE_OPERATOR.fullmatch(gaps[1]) and gaps[1] != "**":
        raise Hedged  # a sum that no one has worked out
    return _stated(text, found, gaps, end) if prose else 0


def _result(gaps: list[str], prose: bool) -> int | None:
    """What follows the last equals sign, of a sum that opens the line; `72 = 6 * 12` says 72."""
    equals = [i for i, gap in enumerate(gaps) if _EQUALS.search(gap)]
    if not equals and _OPERATOR.search(gaps[1]):  # half of 144, which is 72
        return next((i for i, gap in enumerate(gaps) if i > 1 and _IS.search(gap)), None)
    opens = prose or 0 in equals or ((1 in equals or _OPERATOR.search(gaps[1])) and not _BREAK.search(gaps[1]))
    if not equals or not opens:
        return None
    last = equals[-1]
    worked_out = last + 1 >= len(gaps) or not _BARE_OPERATOR.fullmatch(gaps[last + 1])
    return last if worked_out or not last else last - 1


def _stated(text: str, found: list[Found], gaps: list[str], end: int) -> int:
    """In a sentence: its conclusion, the total, the bold one, or the first that is no circumstance."""
    if _SO.search(gaps[-1]) and _ENDING.fullmatch(text, found[-1].span[1], end):
        return len(found) - 1
    totals = [i for i, gap in enumerate(gaps) if _TOTAL.search(gap)]
    if totals:
        return totals[-1]
    bold = [i for i, f in enumerate(found) if gaps[i].endswith("**") and text.startswith("**", f.span[1])]
    if len(bold) == 1:
        return bold[0]
    return next((i for i, gap in enumerate(gaps) if not _CIRCUMSTANCE.search(gap)), 0)
