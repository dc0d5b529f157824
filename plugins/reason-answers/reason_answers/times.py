"""Times of day and ratios: answers with a colon, which are not numbers but may be equal to one."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_HALF = r"(?:\\[, ]|[ ~])?(?:\\(?:text|mathrm)\{)?[ ]?(?P<half%s>[aApP])(?:\.[ ]?[mM]\.?|[mM])(?![A-Za-z])\}?"
_CLOCK = re.compile(
    rf"(?P<hour>\d{{1,2}})(?::(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?!\d|[:.]\d)(?:{_HALF % ''})?"
    rf"|{_HALF % '_of_hour'}|[ ]?(?P<sharp>o'clock)\b)",
    re.ASCII,
)
_RATIO = re.compile(r"\d{1,9}(?:(?::|[ ]:[ ])\d{1,9}){1,3}(?!\d|[:.]\d)", re.ASCII)


@dataclass(frozen=True)
class Clock:
    """A time of day, or minutes and seconds; `half` is `AM`, `PM` or empty."""

    hour: int
    minute: int = 0
    second: int = 0
    half: str = ""

    def __str__(self) -> str:
        """`3:30`, `3:30 PM`, `1:02:03`."""
        seconds = f":{self.second:02}" if self.second else ""
        return f"{self.hour}:{self.minute:02}{seconds}{' ' * bool(self.half)}{self.half}"

    def same(self, other: Clock) -> bool:
        """Whether both are the same time; where one leaves out AM or PM, and could be either, whether it may be."""
        if self._on_dial() != other._on_dial():
            return False
        mine, others = self._side(), other._side()
        if self.half and other.half:
            return mine == others
        if self.half or other.half:
            bare = other if self.half else self
            return mine == others or 1 <= bare.hour <= 12
        return self.hour == other.hour

    def is_hour(self, value: object) -> bool:
        """Whether it is the full hour that a plain number names: 5:00 is 5."""
        return not self.minute and not self.second and self.hour == value

    def _on_dial(self) -> tuple[int, int, int]:
        return self.hour % 12, self.minute, self.second

    def _side(self) -> bool:
        """Whether it is after noon."""
        return self.half == "PM" if self.half else self.hour >= 12


@dataclass(frozen=True)
class Ratio:
    """`3:2`, in lowest terms when compared."""

    terms: tuple[int, ...]

    def __str__(self) -> str:
        """`3:2`."""
        return ":".join(map(str, self.terms))

    def same(self, other: Ratio) -> bool:
        """Whether both are the same ratio: 6:4 is 3:2."""
        return self._lowest() == other._lowest()

    def _lowest(self) -> tuple[int, ...]:
        shared = math.gcd(*self.terms) or 1
        return tuple(term // shared for term in self.terms)


def match(text: str, start: int, end: int) -> tuple[Clock | Ratio, int] | None:
    """The time or ratio at `start`, and where it ends."""
    clock = _CLOCK.match(text, start, end)
    if clock:
        hour = int(clock["hour"])
        half = (clock["half"] or clock["half_of_hour"] or "").upper()
        if 1 <= hour <= 12 or (hour <= 24 and not half and not clock["sharp"]):
            time = Clock(hour, int(clock["minute"] or 0), int(clock["second"] or 0), half and half + "M")
            return time, clock.end()
    ratio = _RATIO.match(text, start, end)
    return (Ratio(tuple(map(int, ratio[0].split(":")))), ratio.end()) if ratio else None
