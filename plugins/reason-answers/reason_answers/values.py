"""Numbers as people write them, and their exact values. Knows not where in a text an answer stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from reason_answers.scope import last_match

# Nothing longer is a sensible answer, and exact arithmetic on it would cost time.
LONGEST = 400  # digits
LARGEST_EXPONENT = 99
LONGEST_ANSWER = 1_000  # characters, marks and units included

# To find the last number of a text, so many characters before its last digit are enough.
TAIL = 2_000

_MINUS = "-\u2212\u2013"
_DIGITS = r"\d{1,3}(?:(?:,|\{,\})\d{3})+(?![\d,])|\d+"
_NUMBER = re.compile(
    # A hyphen right after a word, a digit or a bracket joins or subtracts; it is no sign.
    rf"(?:(?<![\w.)\]}}%])(?P<sign>[{_MINUS}])(?=\\?[$€£¥]?\.?\d|\\[dt]?frac))?"
    r"\\?[$€£¥]?"
    r"(?:\\[dt]?frac\{(?P<top>-?\d{1,40})\}\{(?P<bottom>\d{1,40})\}"
    r"|(?P<whole>\d{1,40})[ ](?P<part>\d{1,40})/(?P<parts>\d{1,40})(?![\d/])"
    rf"|(?:(?P<digits>{_DIGITS})(?P<decimals>\.\d+)?|(?P<point>\.\d+))"
    r"(?:[eE](?P<e>[-+]?\d{1,4})(?!\d)"
    r"|[ ]?(?:\*|x|×|\\times)[ ]?10\^\{?(?P<power>[-\u2212]?\d{1,4})(?!\d)\}?)?"
    r"(?:[ ]?/[ ]?(?P<below>\d{1,40})(?![\d/.]))?)",
    re.ASCII,
)


@dataclass(frozen=True)
class Found:
    """A number in a text."""

    value: Fraction
    span: tuple[int, int]


def first(text: str, start: int, end: int) -> Found | None:
    """The first number of `text[start:end]`."""
    if last_digit(text, start, end) < 0:
        return None  # said at once: trying the pattern at each of a million other characters takes its time
    for match in _NUMBER.finditer(text, start, end):
        value = _value(match)
        if value is not None:
            return Found(value, match.span())
    return None


def last(text: str, start: int, end: int) -> Found | None:
    """The number of `text[start:end]` that its last digit belongs to."""
    digit = last_digit(text, start, end)
    if digit < 0:
        return None
    tail = max(start, digit - TAIL)
    match = last_match(_NUMBER, text, tail, min(end, digit + 2))  # a closing brace may belong to it
    # Near the beginning of the tail it may have been cut in two, but then it is longer than any that is read.
    if match is None or (tail > start and match.start() < tail + TAIL // 2):
        return None
    value = _value(match)
    return None if value is None else Found(value, match.span())


def last_digit(text: str, start: int, end: int) -> int:
    """Where the last digit of `text[start:end]` stands; -1 if there is none."""
    return max(text.rfind(digit, start, end) for digit in "0123456789")


def read(text: str) -> Fraction | None:
    """The value of a text that is a number, with its currency, unit and marks around it, or `None`."""
    found = first(text, 0, len(text)) if len(text) <= LONGEST_ANSWER else None
    return found.value if found else None


def whole(text: str) -> Fraction | None:
    """The value of a text that is a number and nothing besides, or `None`."""
    match = _NUMBER.fullmatch(text) if len(text) <= LONGEST_ANSWER else None
    return _value(match) if match else None


def canonical(value: Fraction) -> str:
    """The shortest exact way to write a value: `1200`, `0.75`, and `1/3` where no decimal is exact."""
    if value.denominator == 1:
        return str(value.numerator)
    places = _decimal_places(value.denominator)
    if places is None:
        return f"{value.numerator}/{value.denominator}"
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def _decimal_places(denominator: int) -> int | None:
    """How many decimals write a fraction with this denominator exactly; `None` if no number of them does."""
    twos = (denominator & -denominator).bit_length() - 1
    denominator >>= twos
    fives = 0
    while denominator % 5 == 0:
        denominator //= 5
        fives += 1
    return max(twos, fives) if denominator == 1 else None


def _value(match: re.Match[str]) -> Fraction | None:
    size = _size(match)
    return -size if size is not None and match["sign"] else size


def _size(match: re.Match[str]) -> Fraction | None:
    if match["top"]:
        return _ratio(int(match["top"]), int(match["bottom"]))
    if match["whole"]:
        part = _ratio(int(match["part"]), int(match["parts"]))
        return None if part is None else int(match["whole"]) + part
    digits = (match["digits"] or "0").replace("{,}", "").replace(",", "")
    decimals = (match["decimals"] or match["point"] or "")[1:]
    power = int((match["e"] or match["power"] or "0").replace("\u2212", "-"))
    if len(digits) + len(decimals) > LONGEST or abs(power) > LARGEST_EXPONENT:
        return None
    value = Fraction(int(digits + decimals)) * Fraction(10) ** (power - len(decimals))
    return _ratio(value, int(match["below"])) if match["below"] else value


def _ratio(top: int | Fraction, bottom: int) -> Fraction | None:
    return Fraction(top) / bottom if bottom else None
