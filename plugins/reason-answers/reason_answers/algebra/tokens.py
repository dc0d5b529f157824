r"""The tokens of a mathematical answer in LaTeX or plain text. Knows no grammar.

What only changes how an answer looks (spaces, `\left`, `\displaystyle`) makes no token. Numbers are read whole:
thousands separators, repeating decimals, powers of ten and bases belong to them.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, NamedTuple

from reason_answers.algebra import units, vocabulary

LONGEST_NUMBER = 1_000  # digits; exact arithmetic on longer ones would cost time
LARGEST_EXPONENT = 999


class Unreadable(Exception):
    """The text is no expression that is understood here; it can still be compared as it is written."""


class Token(NamedTuple):
    """`kind` is number, symbol, function, op, begin, end or word; `value` is a `Fraction` for a number, else a text."""

    kind: str
    value: Any


_GROUP = r"(?:,\\!|\{,\}|\\[, ]|[, ~\u00a0\u202f])"
_TOKEN = re.compile(
    r"(?P<skip>\s+|\\[,;:!>\s]|~|\\(?:left|right)\s*\.|\\(?:left|right|middle|displaystyle|textstyle|scriptstyle|limits"
    r"|nolimits|[bB]igg?[lrm]?|quad|qquad|boxed|fbox|angle)(?![a-zA-Z])|\u200b)"
    r"|(?P<money>\\?[$€£¥]|\\?%)"
    r"|(?P<mixed>\d+(?:\s|\\[ ,])+\d+/\d+(?![\d/.]))"
    r"|(?P<based>\d+_(?:\{\s*\d{1,2}\s*\}|\d{1,2})|[0-9A-F]{2,}_\{\s*1[1-6]\s*\})"
    r"|(?P<repeating>\d*\.\d*(?:\\(?:overline|bar)\s*\{\d+\}|\(\d+\)))"
    rf"|(?P<number>(?:\d{{1,3}}(?:{_GROUP}\d{{3}})+(?!\d)|\d+)(?:\.\d+|\.(?![.\w]))?|\.\d+)"
    r"(?P<power>[eE][-+]?\d+(?![\w.]))?"
    r"|\\(?P<style>text(?:bf|it|rm|sf|tt|normal)?|mbox|math(?:rm|bf|it|sf|tt|normal)|operatorname\*?|boldsymbol|bm|hbox)"
    r"(?![a-zA-Z])\s*(?:\{(?P<styled>[^{}]*)\}|(?P<lone>[a-zA-Z0-9]))"
    r"|(?P<begin>\\begin\s*\{(?P<opened>[a-zA-Z]+)\*?\}(?:\s*\{[lcr| ]*\})?)"
    r"|(?P<end>\\end\s*\{(?P<closed>[a-zA-Z]+)\*?\})"
    r"|(?P<row>\\\\(?:\[[^\]]*\])?|\\cr(?![a-zA-Z])|\\newline(?![a-zA-Z]))"
    r"|\\(?P<command>[a-zA-Z]+|[{}|])"
    r"|(?P<word>[a-zA-Z]+)"
    r"|(?P<op>\*\*|<=|>=|(?<![\d)}\]])!=|==|.)",
    re.DOTALL,
)
_PARTS = re.compile(_GROUP)
_OPENING, _CLOSING = frozenset({"(", "[", r"\{", "langle"}), frozenset({")", "]", r"\}", "rangle"})


def tokens(text: str) -> list[Token]:
    """The tokens of `text`, in one pass. Raises `Unreadable` at a sign or command that is not known."""
    found: list[Token] = []
    depth, end = 0, 0
    while end < len(text):
        match = _TOKEN.match(text, end)
        if match is None:
            raise Unreadable(text[end])
        kind = match.lastgroup
        if kind == "number" and depth and (split := _first_item(match)):
            # Inside brackets a comma parts items: (100,200) is a point, though 100,200 alone is a number.
            found.append(Token("number", number(text[end:split])))
            end = split
            continue
        spaced = end == 0 or text[end - 1] in " ~\n\t"
        end = match.end()
        if kind == "skip":
            continue
        new = _made(match, spaced)
        found += new
        if len(new) == 1 and new[0].kind == "op":
            depth += (new[0].value in _OPENING) - (new[0].value in _CLOSING)
    return found


def number(text: str) -> Fraction:
    """The value of digits with an optional point. Raises `Unreadable` when there are too many."""
    if len(text) > LONGEST_NUMBER:
        raise Unreadable("a long number")
    return Fraction(text.rstrip("."))


def _first_item(match: re.Match[str]) -> int:
    """Where the first number ends, if its comma does not part thousands; else 0. `1,000` is written for thousands."""
    whole, comma, rest = match[0].partition(",")
    return match.start() + len(whole) if comma and whole.isdigit() and rest[0] not in "0\\" else 0


def _made(match: re.Match[str], spaced: bool) -> list[Token]:
    text, kind = match[0], match.lastgroup
    if kind in ("number", "power"):
        return [Token("number", _scaled(match))]
    if kind in ("lone", "styled"):
        return _styled(match["style"], match[kind])
    if kind == "word":
        return _word(text, spaced)
    if kind in ("command", "op"):
        return [Token("op", text)] if text in (r"\{", r"\}") else [_named(match["command"] or text)]
    if kind == "money":
        return [Token("word", vocabulary.MONEY[text.replace("\\", "")])]
    if kind in ("begin", "end"):
        return [Token(kind, match["opened"] or match["closed"])]
    if kind == "row":
        return [Token("op", "row")]
    return [Token("number", {"mixed": _mixed, "based": _based, "repeating": _repeating}[kind or ""](text))]


def _scaled(match: re.Match[str]) -> Fraction:
    value = number(_PARTS.sub("", match["number"]))
    power = int(match["power"][1:]) if match["power"] and len(match["power"]) < 9 else 0
    if abs(power) > LARGEST_EXPONENT or (match["power"] and len(match["power"]) >= 9):
        raise Unreadable("a large exponent")
    return value * Fraction(10) ** power if power else value


def _mixed(text: str) -> Fraction:
    whole, part, parts = (number(digits) for digits in re.findall(r"\d+", text))
    if not parts:
        raise Unreadable("division by zero")
    return whole + part / parts


def _based(text: str) -> Fraction:
    digits, _, base = text.partition("_")
    return in_base(digits, int(base.strip("{} \t\n")))


def in_base(digits: str, base: int) -> Fraction:
    """The value of digits in a base. Raises `Unreadable` when there is no such base, or a digit is not of it."""
    if len(digits) > LONGEST_NUMBER or not 2 <= base <= 36:
        raise Unreadable("a base")
    try:
        return Fraction(int(digits, base))
    except ValueError:
        raise Unreadable("a digit that its base has not") from None


def _repeating(text: str) -> Fraction:
    plain, repeated = re.findall(r"[\d.]+", text)
    places = len(plain.partition(".")[2])
    start = number(plain) if plain != "." else Fraction(0)
    if len(repeated) > LONGEST_NUMBER:
        raise Unreadable("a long number")
    return start + Fraction(int(repeated), (10 ** len(repeated) - 1) * 10**places)


def _named(name: str) -> Token:
    """A command without its backslash, or a sign."""
    plain = vocabulary.ONE_NAME.get(name, name)
    if plain in vocabulary.FUNCTIONS:
        return Token("function", plain)
    if plain in vocabulary.GREEK:
        return Token("symbol", plain)
    if plain in vocabulary.SEPARATING:
        return Token("op", ";")
    if plain in vocabulary.SIGNS:
        return Token("op", plain)
    if len(plain) == 1 and plain.isalpha() and plain.isascii():
        return Token("symbol", plain)
    raise Unreadable(name)


def _styled(style: str, content: str) -> list[Token]:
    r"""What stands in `\text{}` and its like: a number, a letter, a name of a function, or words."""
    words = content.replace("~", " ").strip()
    if words.strip(",; ") in vocabulary.SEPARATING:
        return [Token("op", ";")]
    if words in vocabulary.FUNCTIONS or words in vocabulary.BARE_COMMANDS:
        return [_named(words)]
    if words.strip("\\") in vocabulary.MONEY:
        return [Token("word", vocabulary.MONEY[words.strip("\\")])]
    if len(words) == 1 and words.isalpha() and (words in vocabulary.UPRIGHT_CONSTANTS or style in vocabulary.ITALIC):
        return [_named(words)]
    if "\\" not in words and any(c.isdigit() for c in words):
        return tokens(words)
    return [Token("word", words)] if words else []


def _word(text: str, spaced: bool) -> list[Token]:
    """Plain letters: a known name, a word or unit that stands apart, or one symbol each."""
    lower = text.lower()
    if lower in vocabulary.SEPARATING:
        return [Token("op", ";")]
    if text in vocabulary.FUNCTIONS or lower in vocabulary.BARE_COMMANDS:
        return [_named(lower)]
    if text in units.ATTACHED or (spaced and (len(text) > 2 or text in units.NAMES)):
        return [Token("word", text)]
    return [Token("symbol", letter) for letter in text]
