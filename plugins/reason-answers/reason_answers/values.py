"""Numbers as people write them, and their exact values. Knows not where in a text an answer stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from reason_answers import digits, words
from reason_answers.digits import Value
from reason_answers.times import Clock, Ratio

LONGEST_ANSWER = 1_000  # characters, marks and units included

_MINUSES = ("-", "\u2212", "\u2013")
_PLAIN_PREFIX = re.compile(r"[-\u2212\u2013]?(?:\\?[$€£¥])?[-\u2212\u2013]?")
_OPENERS = frozenset("\n*\t([=:\"`~≈>|;'")
_LATIN_ENDS = "\u0250"  # other scripts write numbers without a space
# What may be glued to the front of a number: a LaTeX command, a currency, `6x12`. Other letters make it a name.
_GLUED = re.compile(r"(?:\\(?!sqrt)[A-Za-z]{1,12}|(?:^|[^A-Za-z])(?:USD?|EUR|GBP|INR|CAD|AUD|Rs)|\dx)$")
_INSIDE = re.compile(r"(?:[^\W_]_|}_|[\^√]|sqrt\{|[\^_]\{)$")
_SIGN = re.compile(
    # A hyphen right after a word, a digit or a bracket joins or subtracts; it is no sign.
    r"(?:(?<![\w.)\]}%'-])-|(?<==)-[ ]|(?<==[ ])-[ ]"
    r"|(?P<before>(?i:(?:^|[=:(,;*\n$]|\b(?:is|was|of|to|be|about|equals))[ ]{0,2}(?=minus)|\b(?=negative)))"
    r"(?P<word>(?i:minus|negative)[ ]))?"
    r"(?:(?:\b(?:US|AU|CA|C|A))?\\?[$€£¥₹₩₽](?P<inner>-)?)?$"
)
# How "minus ", "negative " and "= - " end: before any other space there is no sign.
_SIGN_ENDS = ("us", "US", "ve", "VE", " -", "=-", "-")
# After a number: it is raised, or a factor of what is no number.
_FACTOR = re.compile(r"[ ]?(?:\\pi\b|π|\\sqrt\b|√)|[⁰¹²³⁴⁵⁶⁷⁸⁹]|\^(?![ ]?\{?[ ]?\\circ)")
_BEFORE = 24  # characters that its sign and currency take up, with a word before them


class Found(NamedTuple):
    """A number, a time or a ratio in a text."""

    value: Value
    span: tuple[int, int]


def numbers(text: str, start: int, end: int) -> Iterator[Found]:
    """The numbers in digits of `text[start:end]`, from left to right."""
    low = start
    while (match := digits.START.search(text, start, end)) is not None:
        value, start = digits.at(text, match.start(), end)
        if value is None or _FACTOR.match(text, start, end):
            continue
        begin, negative = _begin(text, match.start(), low)
        if begin < 0:
            continue
        low = start
        yield Found(-value if negative and isinstance(value, Fraction) else value, (begin, start))


def named_numbers(text: str, start: int, end: int) -> list[Found]:
    """The numbers in words of `text[start:end]`, from left to right."""
    return [Found(value, span) for value, span in words.scan(text, start, end)]


def last_digit(text: str, start: int, end: int) -> int:
    """Where the last digit of `text[start:end]` stands, `½` being one; -1 if there is none."""
    last = -1
    for digit in "0123456789" if text.isascii() else "0123456789" + digits.VULGAR:
        last = max(last, text.rfind(digit, max(start, last), end))  # never further back than one that is found
    return last


def whole(text: str) -> Fraction | None:
    """The value of a text that is a number in digits and nothing besides, or `None`."""
    if len(text) > LONGEST_ANSWER:
        return None
    start = digits.START.search(text)
    if start is None or not _PLAIN_PREFIX.fullmatch(text, 0, start.start()):
        return None
    value, stop = digits.at(text, start.start(), len(text), prose=False)
    if not isinstance(value, Fraction) or stop < len(text):
        return None
    return -value if any(minus in text[: start.start()] for minus in _MINUSES) else value


def same(left: Value, right: Value) -> bool:
    """Whether two values are the same: exactly, or as times and ratios are."""
    if isinstance(left, Clock) and isinstance(right, Clock):
        return left.same(right)
    if isinstance(left, Ratio) and isinstance(right, Ratio):
        return left.same(right)
    if isinstance(left, Clock):
        return left.is_hour(right)
    return right.is_hour(left) if isinstance(right, Clock) else left == right


def canonical(value: Value) -> str:
    """The shortest exact way to write a value: `1200`, `0.75`, `1/3` where no decimal is exact, `3:30 PM`, `3:2`."""
    if not isinstance(value, Fraction):
        return str(value)
    if value.denominator == 1:
        return str(value.numerator)
    places = _decimal_places(value.denominator)
    if places is None:
        return f"{value.numerator}/{value.denominator}"
    shown = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{shown[:-places]}.{shown[-places:]}"


def _decimal_places(denominator: int) -> int | None:
    """How many decimals write a fraction with this denominator exactly; `None` if no number of them does."""
    twos = (denominator & -denominator).bit_length() - 1
    denominator >>= twos
    fives = 0
    while denominator % 5 == 0:
        denominator //= 5
        fives += 1
    return max(twos, fives) if denominator == 1 else None


def _begin(text: str, place: int, low: int) -> tuple[int, bool]:
    """Where the number begins, sign and currency included, and whether it is negative; -1 if it is none."""
    previous = text[place - 1] if place else "\n"
    if previous in _OPENERS or (previous == " " and text[max(0, place - 3) : place - 1] not in _SIGN_ENDS):
        return place, False
    before = text[max(0, place - _BEFORE) : place]
    if _INSIDE.search(before) or (previous.isalpha() and previous < _LATIN_ENDS and not _GLUED.search(before)):
        return -1, False
    sign = _SIGN.search(before)
    if sign is None or not sign[0]:
        return place, False
    word = sign.end("before") if sign["word"] else sign.start()
    negative = sign[0][0] == "-" or bool(sign["word"] or sign["inner"])
    return max(low, place - len(before) + word), negative
