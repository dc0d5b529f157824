"""Arithmetic in prose: what stands left and right of an equals sign, as in `5 apples + 3 apples = 8 apples`.

It says what was written and how surely it is plain arithmetic; whether two sides are equal is judged in
`reason_cli.engine.steps`. One pass over a line.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from fractions import Fraction

from reason_cli.calculator import NUMBER
from reason_cli.engine.wording import ARTICLES, CHANGES, CONJUNCTIONS, LEADS, MEASURES, SHOWN, SIGNS, TOKEN, measure

_NUMBER = re.compile(rf"(?!0\d){NUMBER}", re.ASCII)  # 0900 is a time
_FRACTION = re.compile(r"\d+/\d|[¼-¾⅐-⅞]")
_BROKEN = re.compile(r"\d, \d{3}")
_DIGITS = re.compile(r"\d+")
_MOST_WORDS = 4  # of a unit, between a number and an operator


@dataclass
class Side:
    """One side of an equals sign, from `start` to `end` of the text.

    `parts` joined are plain arithmetic for the calculator. `units` are the words beside the numbers. `sure`: nothing
    hints that the words around it change what the numbers say. `dash`: its first sign may be a dash or a bullet.
    """

    start: int
    end: int
    parts: list[str] = field(default_factory=list)
    units: set[str] = field(default_factory=set)
    sure: bool = True
    dash: bool = False

    @property
    def text(self) -> str:
        """The arithmetic, such as `(5+3)*20%`."""
        return "".join(self.parts)

    @property
    def operations(self) -> frozenset[str]:
        """The operations with two operands, of `wording.OPERATIONS`."""
        pairs = zip(self.parts, self.parts[1:], strict=False)
        return frozenset(SHOWN[sign] for left, sign in pairs if sign in SHOWN and left not in ("(", *SHOWN))


def equal_sides(line: str, start: int = 0) -> list[tuple[Side, Side]]:
    """What stands left and right of each equals sign with arithmetic on both sides; `line` begins at `start` of a text.

    `a = b = c` gives `(a, b)` and `(b, c)`, with the same `b`.
    """
    reader = _Reader(line, start)
    for token in TOKEN.finditer(line):
        getattr(reader, f"on_{token.lastgroup}")(token)
    reader.close()
    return reader.found


class _Reader:
    """What is read of a line so far: the side that is being written, and the one that waits for its other."""

    def __init__(self, line: str, start: int) -> None:
        self.found: list[tuple[Side, Side]] = []
        self._line, self._start = line, start
        self._side: Side | None = None
        self._opened: list[tuple[int, int]] = []  # brackets of the side: which part each is, and where it stands
        self._expects = False  # an operand, after an operator or a bracket
        self._doubted = False  # what stands before the side may change it
        self._words: list[str] = []  # since the last operand or stop
        self._fresh = True  # nothing since the last stop or equals sign
        self._doubt = False  # about what comes next
        self._waiting: Side | None = None  # the left side, until its right one is read

    # --- sides ---------------------------------------------------------------------------------------------------

    def close(self, sure: bool = True) -> Side | None:
        """End the side that is being written; it is the right one of what waited if it began at the equals sign."""
        side, waiting, opened = self._side, self._waiting, self._opened
        self._side, self._opened = None, []
        if side is None:
            return None
        self._waiting = None
        sure &= not self._expects and side.sure
        side.units.update(self._words[:2])
        if opened:  # what was written is within a bracket: (5 + 3 = 8)
            at, where = opened[-1]
            sure &= at == 0
            side = Side(where + 1, side.end, side.parts[at + 1 :], side.units)
        else:
            sure &= not self._doubted
        while side.parts and side.parts[-1] in ("(", *SHOWN):
            side.parts.pop()
        side.sure = sure and not self._changed()
        if not side.parts:
            return None
        if waiting and not opened:
            self.found.append((waiting, side))
        return side

    def _changed(self) -> bool:
        """Whether the words after the last number change what it says."""
        near = self._words[:_MOST_WORDS]
        return any(word in CHANGES or len(word) == 1 or word[-1].isdigit() for word in near)

    def _begin(self, token: re.Match[str]) -> Side:
        place = self._start + token.start()
        self._side = Side(place, place)
        variable = bool(self._words) and len(self._words[-1]) == 1
        self._doubted = self._doubt or variable or not LEADS.isdisjoint(self._words[-2:])
        self._doubt = False
        if not self._fresh:
            self._waiting = None
        return self._side

    def _write(self, token: re.Match[str], *parts: str, expects: bool) -> None:
        side = self._side or self._begin(token)
        side.parts += parts
        side.end = self._start + token.end()
        self._words, self._fresh, self._expects = [], False, expects

    def _pause(self, doubt: bool = False) -> None:
        """What comes next has nothing to do with what was before."""
        self._words, self._fresh, self._expects, self._doubt, self._waiting = [], not doubt, False, doubt, None

    # --- tokens --------------------------------------------------------------------------------------------------

    def on_equals(self, token: re.Match[str]) -> None:
        left = self.close(sure=len(self._words) <= _MOST_WORDS)
        self._pause()
        self._waiting = left
        self._doubt = token[0] == "≈"

    def on_number(self, token: re.Match[str]) -> None:
        if _NUMBER.fullmatch(token[0]):
            self._operand(token, token[0])
        else:
            self.on_odd(token)

    def on_fraction(self, token: re.Match[str]) -> None:
        text = token[0]
        if text[-1] in "}" or "/" in text:
            *whole, top, bottom = _DIGITS.findall(text)
        else:
            value = Fraction(unicodedata.numeric(text[-1])).limit_denominator(10)
            whole, top, bottom = [text[:-1] or "0"], str(value.numerator), str(value.denominator)
        self._operand(token, "(", *(part for number in whole for part in (number, "+")), top, "/", bottom, ")")

    def _operand(self, token: re.Match[str], *parts: str) -> None:
        if self._side and not self._expects:  # a number after a number
            words = self._words
            measured = self._goes_on(token)
            self.close(sure=not measured)
            self._words, self._waiting, self._doubt = words, None, measured
        self._write(token, *parts, expects=False)

    def _goes_on(self, token: re.Match[str]) -> bool:
        """Whether a number after a number is more of the same: `350 000`, `5 feet and 6 inches`, `1 and 1/4`."""
        *words, last = self._words or [""]
        if last == "and":
            return (
                _FRACTION.match(self._line, token.start()) is not None
                or measure(words[-1] if words else "") in MEASURES
            )
        return not last or measure(last) in MEASURES

    def on_percent(self, token: re.Match[str]) -> None:
        if self._side and not self._expects and not self._words:
            self._write(token, "%", expects=False)
        else:
            self.on_odd(token)

    def on_of(self, token: re.Match[str]) -> None:
        """`20% of 50`, `2/3 of 60`; `3 of the 5` is no product."""
        parts = self._side.parts if self._side and not self._expects and not self._words else []
        if self._side and parts and (parts[-1] in ("%", ")") or parts[-2:-1] == ["/"]):
            self._side.sure &= self._waiting is None  # "= 1/3 of $150" may say 1/3
            self._write(token, "*", expects=True)
        else:
            self.on_word(token)

    def on_operator(self, token: re.Match[str]) -> None:
        sign = SIGNS.get(token[0], "*")
        if self._side and not self._expects:
            told = self._waiting is not None and len(token[0]) > 2  # "= 20 times 2 people" may say 20
            dash = bool(self._words) and self._words[-1] in CONJUNCTIONS
            self._side.sure &= not (told or dash or len(self._words) > _MOST_WORDS or self._changed())
            self._side.units.update(self._words[:2])
            self._write(token, sign, expects=True)
        elif sign in "+-" and (self._side or self._fresh):
            dash = self._side is None
            self._write(token, sign, expects=True)
            if self._side:
                self._side.dash |= dash
                self._side.sure &= dash or sign == "-"
        elif self._side or not self._fresh:  # a bullet is no operator
            self.on_odd(token)

    def on_word(self, token: re.Match[str]) -> None:
        if self._side and self._expects:
            self.close(sure=False)
            self._pause(doubt=True)
        if token[0] not in ARTICLES or self._glued(token):
            self._words.append(token[0].lstrip("-/").lower())
        self._fresh &= self._side is not None

    def on_stop(self, token: re.Match[str]) -> None:
        # ".8 + . 84", "14, 400 / 80"
        broken = self._expects or bool(_BROKEN.match(self._line, max(0, token.start() - 1)))
        self.close()
        self._pause(doubt=broken)

    def on_open(self, token: re.Match[str]) -> None:
        glued = self._glued(token)
        if self._side and not self._expects:
            if not self._words and (glued or self._line[token.start() - 1] in ")]"):  # 2(3 + 4), (1)(2)
                self._side.sure &= "/" not in self._side.parts
                self._side.parts.append("*")
            else:
                self.close(sure=False)
                self._pause(doubt=True)
        elif glued:  # f(3)
            self._doubt = True
        self._write(token, "(", expects=True)
        if self._side:
            self._opened.append((len(self._side.parts) - 1, self._start + token.start()))

    def on_close(self, token: re.Match[str]) -> None:
        if self._side and self._opened and not self._expects:
            self._side.sure &= not self._changed()
            self._opened.pop()
            self._write(token, ")", expects=False)
        else:
            self.close()
            self._pause()
            self._fresh = False

    def on_blank(self, token: re.Match[str]) -> None: ...

    def on_remark(self, token: re.Match[str]) -> None:
        """`5 apples (from Monday)`; in `2(number of weeks)` it is a factor."""
        if self._glued(token):
            self.on_odd(token)

    def on_odd(self, token: re.Match[str]) -> None:
        self.close(sure=False)
        self._pause(doubt=True)

    def _glued(self, token: re.Match[str]) -> bool:
        """Whether a letter or digit stands right before the token."""
        return token.start() > 0 and self._line[token.start() - 1].isalnum()
