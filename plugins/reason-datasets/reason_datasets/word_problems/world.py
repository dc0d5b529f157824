"""What a world of stories consists of, and how its phrases are written.

A phrase is English with slots: `{start}` and `{n}` are numbers, `{item}` agrees with `n` and `{items}` is
always plural, `[is|are]` agrees with `n` too. `{prop}` and `{props}` are what the world keeps things in.
In stories about people, `{a}` is who the story is about and `{b}` who it goes on about. `{s}`, `{whom}` and
`{whose}` are `a` as a pronoun or by name, whichever is clear; `{he}`, `{him}` and `{his}` are pronouns, for
use after one of these. `{friend}` and `{giver}` are other people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

_AGREEMENT = re.compile(r"\[([^|\]]*)\|([^\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")

# Phrases that say for themselves when they happen, or that hold at any time, take no "then" before them.
_SAYS_WHEN = ("{b}", "after ", "at ", "by ", "over ")


class Phrase(NamedTuple):
    """A phrase ready for `%`, once for a single item and once for several."""

    one: str
    many: str
    moves: bool  # the story goes on about `b`
    flows: bool  # "then" may stand before it
    others: bool  # someone else is in it: a pronoun in the next sentence could mean them


def _percent(text: str, number: str) -> str:
    return _SLOT.sub(lambda slot: f"%({slot[1]})s", text.replace("{item}", f"{{{number}}}"))


def phrase(text: str) -> Phrase:
    """The phrase that `text` writes."""
    return Phrase(
        one=_percent(_AGREEMENT.sub(r"\1", text), "one"),
        many=_percent(_AGREEMENT.sub(r"\2", text), "items"),
        moves="{b}" in text,
        flows=not text.startswith(_SAYS_WHEN),
        others="{friend}" in text or "{giver}" in text,
    )


def phrases(*texts: str) -> tuple[Phrase, ...]:
    """The phrases that these texts write."""
    return tuple(map(phrase, texts))


def nouns(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs of singular and plural from words such as `cup peach/peaches`; a plain word takes an s."""
    return tuple(_noun(word) for word in text.split())


def _noun(word: str) -> tuple[str, str]:
    one, _, many = word.replace("_", " ").partition("/")
    return one, many or one + "s"


@dataclass(frozen=True)
class World:
    """Things that can be counted, and everything that can happen to them.

    `pairs` and `groups` open a story with its first step in them, an addition or a multiplication.
    `twice` and `half` are other ways to say `times` and `over` with 2.
    `questions` ask after something has happened, `totals` when the story only says how things are.
    """

    things: tuple[tuple[str, str], ...]
    openers: tuple[Phrase, ...]
    pairs: tuple[Phrase, ...]
    groups: tuple[Phrase, ...]
    plus: tuple[Phrase, ...]
    minus: tuple[Phrase, ...]
    times: tuple[Phrase, ...]
    twice: tuple[Phrase, ...]
    over: tuple[Phrase, ...]
    half: tuple[Phrase, ...]
    questions: tuple[Phrase, ...]
    totals: tuple[Phrase, ...]
    props: tuple[tuple[str, str], ...] = (("", ""),)

    def all_phrases(self) -> Iterable[Phrase]:
        """Every phrase of this world."""
        for kind in (self.openers, self.pairs, self.groups, self.plus, self.minus, self.times):
            yield from kind
        for kind in (self.twice, self.over, self.half, self.questions, self.totals):
            yield from kind
