r"""A number in digits at its place: `1,200`, `1.5 million`, `1 1/2`, `1½`, `\frac{3}{4}`, `1.2 × 10^3`, `3:30 PM`.

Reads texts that `signs.plain` has been over. Knows no signs and no currency; those stand before the place.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from reason_answers import times
from reason_answers.times import Clock, Ratio

Value = Fraction | Clock | Ratio

# Nothing longer is a sensible answer, and exact arithmetic on it would cost time.
LONGEST = 400  # digits
LARGEST_EXPONENT = 99

SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
SCALES |= {"lakh": 10**5, "crore": 10**7}
_LETTERS = {"k": 10**3, "K": 10**3, "M": 10**6, "mn": 10**6, "bn": 10**9}
_PARTS = {"half": 2, "third": 3, "quarter": 4}

VULGAR = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"
START = re.compile(rf"[0-9.\\{VULGAR}]")

_FRAC = r"\\(?:[dtcs]|nice)?frac[ ]?(?:\{[ ]?(-?\d{1,40})[ ]?\}|(\d))[ ]?(?:\{[ ]?(\d{1,40})[ ]?\}|(\d))"
_FRACTION = re.compile(_FRAC, re.ASCII)
# What is neither a number nor a part of one: 1.2.3, 1/2/2024, 1,2,3, 1:1:1:1:1.
_JUNK = re.compile(r"\d+(?:(?:\.\d+){2,}|(?:/\d+){2,}|(?:,\d+){2,}|(?::\d+){4,})", re.ASCII)
_NUMBER = re.compile(
    r"(?:(?P<grouped>[1-9]\d{0,2}(?P<mark>,|\{,\}|\\[,;:! ]|[ ]|'|_)\d{3}(?:(?P=mark)\d{3})*(?!(?P=mark)?\d|-[A-Za-z])"
    r"|[1-9]\d?(?:,\d\d)+,\d{3}(?!,?\d))"  # India's groups: 12,34,567
    r"|(?P<dotted>[1-9]\d{0,2}(?:(?:\.\d{3}){2,}(?:,\d{1,2})?|\.\d{3},\d{1,2})(?![.,]?\d))"
    r"|(?P<comma>(?:0,\d{1,99}|\d{1,99},(?:\d\d?|\d{4,99}))(?![.,]?\d))"
    r"|(?P<digits>\d+)|(?<![\w.)])(?=\.\d))(?P<decimals>\.\d+|(?(grouped),\d\d?(?![.,]?\d)|(?!)))?",
    re.ASCII,
)
_GROUP_MARKS = re.compile(r"[^\d]", re.ASCII)
_TEN = r"10(?:(?:\^|\*\*)(?:\{[ ]?([-+\u2212]?\d{1,4})[ ]?\}|([-+\u2212]?\d{1,4})(?!\d|\*\*))|([⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4}))"
_POWER_OF_TEN = re.compile(_TEN, re.ASCII)
_TIMES_TEN = re.compile(rf"[ ]?(?:\*|x|×|·|\\times|\\cdot)[ ]?{_TEN}", re.ASCII)
_EXPONENT = re.compile(r"[eE]([-+]?\d{1,4})(?!\w)", re.ASCII)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺\u2212", "0123456789-+-")
_BELOW = re.compile(r"[ ]?/[ ]?(\d{1,40})(?!\d|[/.]\d)", re.ASCII)
_PART = re.compile(
    rf"[ ]?(?P<vulgar>[{VULGAR}])"
    r"|[ ](?:and[ ])?(?P<top>\d{1,40})[ ]?/[ ]?(?P<bottom>\d{1,40})(?!\d|[/.]\d)"
    r"|[ ]and[ ](?:a|one)[ -](?P<word>half|third|quarter)\b",
    re.ASCII,
)
_SCALE = re.compile(
    r"[ -]?(?:\\[a-z]{4,6}\{)?[ ]?((?i:hundred|thousand|million|billion|trillion|dozen|lakh|crore))s?\b\}?"
    r"|([kKM]|[mb]n)(?![A-Za-z0-9_^])"
)
_ENDS = frozenset("\n.,;)}]$%!?")  # the most common ends of a number, after which nothing more of it comes
_TIMELY = frozenset(":aApPo")


def at(text: str, place: int, end: int, prose: bool = True) -> tuple[Value | None, int]:
    """The number that begins at `place`, or `None`, and where to go on.

    In `prose` people also write `1,5`, `3k`, `5 PM` and `two dozen`; in LaTeX these are something else.
    """
    if text[place] == "\\":
        match = _FRACTION.match(text, place, end)
        return (_ratio(*_terms(match)), match.end()) if match else (None, place + 1)
    if text[place] in VULGAR:
        return _scaled(_vulgar(text[place]), text, place + 1, end) if prose else (None, place + 1)
    match = _NUMBER.match(text, place, end)
    if match is None:
        return None, place + 1
    stop = match.end()
    following = text[stop : min(stop + 2, end)]
    if following and match["digits"]:
        if following[0] in ".,/:" and following[1:].isdigit():
            junk = _JUNK.match(text, place, end)
            if junk:
                return None, junk.end()
        if prose and not match["decimals"] and following.lstrip()[:1] in _TIMELY:
            time = times.match(text, place, end)
            if time:
                return time
    if match["comma"] and (not prose or text[place - 1 : place] in ("(", "[")):
        return None, stop
    value = _written(match)
    if value is None or not following or following[0] in _ENDS:
        return value, stop
    return _continued(value, match, text, end, prose)


def _written(match: re.Match[str]) -> Fraction | None:
    """The value of digits and what separates them."""
    whole, decimals = match["digits"] or "", (match["decimals"] or "")[1:]
    if match["grouped"]:
        whole = _GROUP_MARKS.sub("", match["grouped"])
    elif match["comma"] or match["dotted"]:
        whole, _, decimals = (match["comma"] or match["dotted"]).partition(",")
        whole = whole.replace(".", "")
    if len(whole) + len(decimals) > LONGEST:
        return None
    return Fraction(int(whole + decimals), 10 ** len(decimals)) if decimals else Fraction(int(whole))


def _continued(value: Fraction, match: re.Match[str], text: str, end: int, prose: bool) -> tuple[Value | None, int]:
    """The number with what follows its digits: an exponent, a fraction, `million`."""
    stop = match.end()
    power = _POWER_OF_TEN.match(text, match.start(), end) if match[0] == "10" else None
    if power:
        return _raised(Fraction(1), power), power.end()
    power = _EXPONENT.match(text, stop, end) or _TIMES_TEN.match(text, stop, end)
    if power:
        return _raised(value, power), power.end()
    below = _BELOW.match(text, stop, end)
    if below:
        return _ratio(value, int(below[1])), below.end()
    if match["digits"] and not match["decimals"]:
        more, stop = _more(text, stop, end, prose)
        if more is None:
            return None, stop
        value += more
    return _scaled(value, text, stop, end) if prose else (value, stop)


def _more(text: str, stop: int, end: int, prose: bool) -> tuple[Fraction | None, int]:
    """The fraction of a mixed number, zero if there is none."""
    frac = _FRACTION.match(text, stop + (text[stop] == " "), end)
    if frac:
        return _ratio(*_terms(frac)), frac.end()
    part = _PART.match(text, stop, end)
    if part is None or not (prose or part["top"]):
        return Fraction(0), stop
    if part["top"]:
        return _ratio(int(part["top"]), int(part["bottom"])), part.end()
    return (_vulgar(part["vulgar"]) if part["vulgar"] else Fraction(1, _PARTS[part["word"]])), part.end()


def _scaled(value: Fraction, text: str, stop: int, end: int) -> tuple[Fraction, int]:
    for _ in range(2):  # two hundred thousand
        scale = _SCALE.match(text, stop, end)
        if scale is None:
            break
        value *= SCALES[scale[1].lower()] if scale[1] else _LETTERS[scale[2]]
        stop = scale.end()
    return value, stop


def _raised(value: Fraction, match: re.Match[str]) -> Fraction | None:
    power = int(next(filter(None, match.groups())).translate(_RAISED))
    return value * Fraction(10) ** power if abs(power) <= LARGEST_EXPONENT else None


def _terms(match: re.Match[str]) -> tuple[int, int]:
    """Top and bottom of a LaTeX fraction, each in braces or a single digit."""
    top, digit_top, bottom, digit_bottom = match.groups()
    return int(top or digit_top), int(bottom or digit_bottom)


def _vulgar(character: str) -> Fraction:
    return Fraction(unicodedata.numeric(character)).limit_denominator(10)


def _ratio(top: int | Fraction, bottom: int) -> Fraction | None:
    return Fraction(top) / bottom if bottom else None
