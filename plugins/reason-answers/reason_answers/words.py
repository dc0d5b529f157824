"""Numbers in words: "seven", "twenty-five", "one hundred and five", "two and a half dozen", "three quarters"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from reason_answers.digits import SCALES
from reason_answers.scope import Span

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
UNITS = {word: value for value, word in enumerate(_SMALL.split())}
_BY_TEN = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
TENS = {word: 10 * n for n, word in enumerate(_BY_TEN, 2)}
TENS["fourty"] = 40
_NTHS = "half third fourth fifth sixth seventh eighth ninth tenth"
PARTS = {word: n for n, word in enumerate(_NTHS.split(), 2)} | {"quarter": 4}
PARTS |= {word + "s": n for word, n in PARTS.items() if n > 2} | {"halves": 2}
MANY = {word: value for word, value in SCALES.items() if value >= 1_000}

_LONGEST = 24  # words

_VOCABULARY = {*UNITS, *TENS, *PARTS, *SCALES, "dozens", "minus", "negative", "a", "an", "and", "point"}
_OPENING = "|".join(sorted([*UNITS, *TENS, "half", "minus", "negative"], key=len, reverse=True))
_AFTER_A = "|".join(sorted({*SCALES, *PARTS}, key=len, reverse=True))
_FIRST = re.compile(rf"(?<![\w'-])(?:{_OPENING}|an?(?=[ -](?:{_AFTER_A})\b))(?![\w'])", re.IGNORECASE)
_NEXT = re.compile(r"(,?)(?:[ \t]{1,2}|-)([A-Za-z]+)(?![\w'])")
_JOINED = re.compile(r"-[A-Za-z]|\s+(?:and|point)\s+\d")
# "one" is often no number: no one, one of them, one can see.
_NOT_BEFORE_ONE = re.compile(r"\b(?:no|the|this|that|each|every|any|some|which|another|last|first|next)[ \t]+$", re.I)
_NOT_AFTER_ONE = re.compile(
    r"[ \t]+(?:of|can|could|must|should|may|might|would|will|another|by|who|which|that|needs|has|gets|day)\b", re.I
)


def scan(text: str, start: int, end: int) -> Iterator[tuple[Fraction, Span]]:
    """The numbers in words of `text[start:end]`, from left to right."""
    while (match := _FIRST.search(text, start, end)) is not None:
        words, ends = _words(text, match, end)
        value, used = parse(words)
        start = ends[used - 1] if used else match.end()
        if value is None or _JOINED.match(text, start, end):
            continue
        lone = words[:used] == ["one"]
        before = text[max(0, match.start() - 10) : match.start()]
        if lone and (_NOT_BEFORE_ONE.search(before) or _NOT_AFTER_ONE.match(text, start, end)):
            continue
        yield value, (match.start(), start)


def parse(words: list[str]) -> tuple[Fraction | None, int]:
    """The number that the first of these lower-case words say, and how many say it."""
    if words[0] in ("minus", "negative"):
        value, used = parse(words[1:]) if len(words) > 1 and words[1] not in ("minus", "negative") else (None, 0)
        return (None, 0) if value is None else (-value, used + 1)
    if words[0] == "half":
        return _multiplied(Fraction(1, 2), words, 2 if words[1:2] in (["a"], ["an"]) and _is_many(words[2:3]) else 1)
    if words[0] in ("a", "an"):
        if words[1:2] and words[1] in PARTS and not words[1].endswith("s"):
            return _multiplied(Fraction(1, PARTS[words[1]]), words, 2)
        if not _is_many(words[1:2]):
            return None, 0
        words = ["one", *words[1:]]
    count, used = _cardinal(words)
    if count is None:
        return None, 0
    value = Fraction(count)
    if count < 20 and words[used : used + 1] and _is_part(words[used], count):
        return _multiplied(value / PARTS[words[used]], words, used + 1)
    if words[used : used + 1] == ["point"]:
        return _with_decimals(value, words, used)
    if words[used : used + 1] == ["and"]:
        part, more = _fraction(words[used + 1 :])
        value, used = (value + part, used + 1 + more) if part else (value, used)
    return _multiplied(value, words, used)


def _cardinal(words: list[str]) -> tuple[int | None, int]:
    """A whole number, and how many words say it."""
    total = current = used = 0
    limit = 10**15  # scales come in falling order
    for i, word in enumerate(words):
        fresh = not used
        if word in UNITS:
            value = UNITS[word]
            fits = value and (current % 100 == 0 or (value < 10 and current % 10 == 0 and current % 100 >= 20))
        elif word in TENS:
            value, fits = TENS[word], current % 100 == 0
        elif word == "hundred" and 0 < current < 100:
            current, used = current * 100, i + 1
            continue
        elif word in MANY and current and MANY[word] < limit:
            total, current, limit, used = total + current * MANY[word], 0, MANY[word], i + 1
            continue
        elif word == "and" and used == i and (total or current) and current % 100 == 0:
            continue
        else:
            break
        if not (fresh or fits):
            break
        current, used = current + value, i + 1
        if not value:
            break
    return (total + current, used) if used else (None, 0)


def _fraction(words: list[str]) -> tuple[Fraction | None, int]:
    """`a half`, `one third`, `three quarters`."""
    if len(words) < 2 or words[1] not in PARTS:
        return None, 0
    count = 1 if words[0] in ("a", "an") else UNITS.get(words[0], 0)
    return (Fraction(count, PARTS[words[1]]), 2) if count and _is_part(words[1], count) else (None, 0)


def _with_decimals(value: Fraction, words: list[str], used: int) -> tuple[Fraction, int]:
    """`three point one four`."""
    digits, stop = "", used + 1
    while stop < len(words) and UNITS.get(words[stop], 10) < 10:
        digits, stop = digits + str(UNITS[words[stop]]), stop + 1
    if not digits:
        return value, used
    return _multiplied(value + Fraction(int(digits), 10 ** len(digits)), words, stop)


def _multiplied(value: Fraction, words: list[str], used: int) -> tuple[Fraction, int]:
    """`two dozen`, `half a million`, `two and a half thousand`."""
    many = words[used] if used < len(words) else ""
    many = many[:-1] if many == "dozens" and value != 1 else many
    return (value * SCALES[many], used + 1) if many in SCALES else (value, used)


def _is_many(words: list[str]) -> bool:
    return bool(words) and words[0] in SCALES


def _is_part(word: str, count: int) -> bool:
    """Whether the word names the parts after this count: `one third`, `two thirds`; `two third` is a rank."""
    return word in PARTS and (word.endswith("s") or word == "halves") == (count != 1)


def _words(text: str, first: re.Match[str], end: int) -> tuple[list[str], list[int]]:
    """The words from `first` on, in lower case, and where each of them ends."""
    words, ends = [first[0].lower()], [first.end()]
    while len(words) < _LONGEST:
        following = _NEXT.match(text, ends[-1], end)
        if following is None or following[2].lower() not in _VOCABULARY:
            break
        if following[1] and not (words[-1] in MANY and following[2].lower() in UNITS | TENS):
            break  # "one thousand, two hundred" goes on after its comma; lists do not
        words.append(following[2].lower())
        ends.append(following.end())
    return words, ends
