"""Whether two numbers side by side are two answers: "72 or 73", "70-75", "between 70 and 75", "2 hours 30 minutes"."""

from __future__ import annotations

import re
from fractions import Fraction

from reason_answers import values
from reason_answers.values import Found

FARTHEST = 80  # characters between two numbers that belong together


class Hedged(Exception):
    """The text gives more than one answer, which is none."""


_MARKUP = re.compile(r"\\(?:boxed|fbox|text(?:bf|it|rm)?|math(?:rm|bf)|quad)\b|[*_$`\\{}()\[\]\"]")
_WORD = re.compile(r"[a-z/]+")
_TAIL_WORDS = re.compile(r"[^\n.;,]{0,60}")
_NEAR = {"maybe", "perhaps", "possibly", "probably", "potentially", "might", "may", "could", "alternatively"}
_CORRECTION = {"no", "wait", "sorry", "correction", "oops", "actually"}
_SMALL_WORDS = (
    "a about also an answer approximately are around as be but else even final has have he i is it its just make many "
    "mean much nearly roughly s she should so some that the there they though was will would you"
)
_FILLERS = _NEAR | set(_SMALL_WORDS.split())
_UNITS = (
    "second sec s minute min hour hr h day week month year",
    "inch in foot feet ft yard yd mile mi meter metre m centimeter centimetre cm kilometer kilometre km millimeter mm",
    "ounce oz pound lb ton gram g kilogram kg milligram mg",
    "dollar buck cent penny pennies quarter dime nickel euro",
    "liter litre l milliliter ml gallon quart pint cup",
)
_KIND = {form: kind for kind, names in enumerate(_UNITS) for name in names.split() for form in (name, name + "s")}
_KIND |= {"inches": 1, "dollars": 3}
_BETWEEN = re.compile(r"\bbetween\W{0,6}$", re.IGNORECASE)
_DASHES = ("-", "--", "~", "\u2014", "|")
_NEXT_UNKNOWN = re.compile(r"[,;]?\s*(?:and\s+)?[a-z]\s*=")
_LIST_GOES_ON = re.compile(r"\W{0,6}(?:or|and)\b", re.IGNORECASE)
_FROM = re.compile(r"(?<!range )(?<!ranges )\bfrom\W{0,6}$", re.IGNORECASE)


def divided(text: str, left: Found, right: Found, end: int, marked: bool) -> bool:
    """Whether these neighbours in `text[:end]` are two answers; lists and differences only where a mark names them."""
    gap = text[left.span[1] : right.span[0]]
    if len(gap) > FARTHEST or values.same(left.value, right.value):
        return False
    bare = _MARKUP.sub(" ", gap.lower()).strip()
    words = _WORD.findall(bare)
    before = text[max(0, left.span[0] - 30) : left.span[0]]
    tail = _TAIL_WORDS.match(text, right.span[1], end)
    after = _WORD.findall(_MARKUP.sub(" ", tail[0].lower())) if tail else []
    units = (words[0] if words else "", after[0] if after else "")
    if _either(words):
        return not _restated(left, right, gap, tail[0] if tail else "", units)
    if (words == ["and"] and _BETWEEN.search(before)) or bare in ("±", "+/-", "pm"):
        return True
    if bare == "to":
        return marked or not _FROM.search(before)
    if bare in _DASHES and gap != " \u2014 ":
        return marked or bare == "~" or (" " not in gap and _rises(left, right))
    if _compound(words, units, bare, gap):
        return True
    return marked and _listed(bare, words, text[right.span[1] : end])


def corrected(text: str, left: Found, right: Found) -> bool:
    """Whether the right one takes the left one's place: "72, no, 73"."""
    gap = text[left.span[1] : right.span[0]]
    words = _WORD.findall(gap.lower()) if len(gap) <= FARTHEST else []
    return bool(words) and words[0] in _CORRECTION and all(word in _FILLERS | _CORRECTION for word in words)


def _either(words: list[str]) -> bool:
    """`or`, `maybe` and the like between them, at most three words behind the left one and right before the other."""
    for i, word in enumerate(words):
        if word in ("or", "and/or", "/or") or word in _NEAR:
            return i <= 3 and all(later in _FILLERS or later == "or" or len(later) == 1 for later in words[i + 1 :])
    return False


def _restated(left: Found, right: Found, gap: str, tail: str, units: tuple[str, str]) -> bool:
    """`120 minutes or 2 hours`, `50% or 0.5`: the same, said twice."""
    if units[0] != units[1] and units[0] in _KIND and _KIND[units[0]] == _KIND.get(units[1]):
        return True
    one, other = left.value, right.value
    if not isinstance(one, Fraction) or not isinstance(other, Fraction):
        return False
    return (_percent(gap) and one == other * 100) or (_percent(tail) and other == one * 100)


def _percent(after: str) -> bool:
    return after.startswith(("%", "\\%"))


def _rises(left: Found, right: Found) -> bool:
    one, other = left.value, right.value
    return isinstance(one, Fraction) and isinstance(other, Fraction) and one < other


def _compound(words: list[str], units: tuple[str, str], bare: str, gap: str) -> bool:
    """`5 ft 3 in`, `5'3"`, `2 hours and 30 minutes`: one measure in two units, which is no one number."""
    if bare == "'":
        return True
    if (
        "(" in gap
        or units[0] not in _KIND
        or words[1:] not in ([], ["and"])
        or not bare.replace(",", "").replace(".", "").isascii()
    ):
        return False
    return units[0] != units[1] and (_KIND[units[0]] == _KIND.get(units[1]) or (not units[1] and words[1:] == []))


def _listed(bare: str, words: list[str], rest: str) -> bool:
    """`3, 4` and `12 apples and 60 pears`, to the end of the line; `3, 4, or 5`; `x = 3, y = 4`."""
    if (bare in (",", ";") and _LIST_GOES_ON.match(rest)) or _NEXT_UNKNOWN.fullmatch(bare):
        return True
    if bare not in (",", ";", "&") and (len(words) > 2 or words[-1:] != ["and"]):
        return False
    return len(_WORD.findall(rest.lower())) <= (words[-1:] == ["and"]) and not re.search(r"\d", rest)
