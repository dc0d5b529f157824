"""Tells a chain of numbers as a story: a world, an opening, a sentence per step, a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from reason_datasets.word_problems import people, places
from reason_datasets.word_problems.chains import Chain, Draw
from reason_datasets.word_problems.world import Phrase, World

T = TypeVar("T")

# Each world, and whether its stories have a cast; two stories in three are about people.
WORLDS = [(world, True) for world in people.WORLDS * 2] + [(world, False) for world in places.WORLDS]

SHE = """
Mia Ana Zoe Lily Emma Nora Ruth Sara Ella Ivy Maya Lucy Rosa Jane Amy Kate Nina Leah Tara Olga Vera Alma Dina
Hana Iris Mona
"""
HE = """
Ben Tom Leo Max Sam Adam Noah Luke Omar Hugo Ivan Carl Dan Eric Finn Ali Raj Paul Jack Otto Tim Ken Abel Ravi
Milo Theo Gus
"""
# A prime number of names, so that any stride through them meets every name before one returns.
NAMES = [(name, "she") for name in SHE.split()] + [(name, "he") for name in HE.split()]

PRONOUNS: dict[str, dict[str, str]] = {
    "she": {"he": "she", "him": "her", "his": "her"},
    "he": {"he": "he", "him": "him", "his": "his"},
}
FRIENDS = {
    pronoun: ("a friend", "a neighbor", "a classmate", f"{words['his']} cousin", f"{words['his']} brother")
    for pronoun, words in PRONOUNS.items()
}
GIVERS = ("aunt", "uncle", "mother", "father", "teacher", "cousin", "neighbor", "grandmother", "grandfather")
LINKS = ("then ", "later, ", "after that, ", "next, ", "soon after, ")

# How often a story takes the shorter way where there are two.
OPENS_WITH_A_STEP = 0.4
SAYS_TWICE_OR_HALF = 0.5
LINKED = 0.35
BY_PRONOUN = 0.65


def tell(draw: Draw, chain: Chain) -> str:
    """The question that this chain answers."""
    world, has_cast = pick(draw, WORLDS)
    thing, prop = pick(draw, world.things), pick(draw, world.props)
    words: dict[str, Any] = {"one": thing[0], "items": thing[1], "prop": prop[0], "props": prop[1]}
    cast = _Cast(draw, words) if has_cast else None
    opening, told = _opening(draw, world, chain)
    sentences = [_sentence(opening, words, chain.start, chain.operands[0])]
    last, link = opening, ""
    for step in range(told, len(chain.operands)):
        operand = chain.operands[step]
        choices = _choices(draw, world, chain.operations[step], operand)
        current = _vary(draw, choices, last)
        if cast:
            cast.prepare(last)
        link = _vary(draw, LINKS, link) if current.flows and draw() < LINKED else ""
        sentences.append(_sentence(current, words, chain.start, operand, link))
        if cast and current.moves:
            cast.move()
        last = current
    # Nothing has happened when the story only tells what there is, or what someone else has.
    still = last is opening or last.moves
    question = pick(draw, world.totals if still else world.questions).many % words
    return ". ".join(sentences) + ". " + question[0].upper() + question[1:]


class _Cast:
    """Who the story is about, kept in the `words` that fill the phrases."""

    def __init__(self, draw: Draw, words: dict[str, Any]) -> None:
        self.draw, self.words = draw, words
        self.place = int(draw() * len(NAMES))
        self.stride = 1 + int(draw() * (len(NAMES) - 1))
        self.move()

    def move(self) -> None:
        """The story goes on about the next person."""
        name, self.pronoun = NAMES[self.place]
        self.place = (self.place + self.stride) % len(NAMES)
        self.words.update(PRONOUNS[self.pronoun])
        self.words.update(a=name, b=NAMES[self.place][0])

    def prepare(self, last: Phrase) -> None:
        """Choose pronoun or name for the sentence after `last`, and the other people in it."""
        words = self.words
        if last.moves or last.others or self.draw() >= BY_PRONOUN:
            words["s"], words["whom"], words["whose"] = words["a"], words["a"], words["a"] + "'s"
        else:
            words["s"], words["whom"], words["whose"] = words["he"], words["him"], words["his"]
        words["friend"] = pick(self.draw, FRIENDS[self.pronoun])
        words["giver"] = pick(self.draw, GIVERS)


def pick(draw: Draw, choices: Sequence[T]) -> T:
    """One of the choices; the same for the same draw on every version of Python."""
    return choices[int(draw() * len(choices))]


def _vary(draw: Draw, choices: Sequence[T], last: object) -> T:
    """One of the choices, seldom `last` again."""
    chosen = pick(draw, choices)
    return pick(draw, choices) if chosen is last else chosen


def _opening(draw: Draw, world: World, chain: Chain) -> tuple[Phrase, int]:
    """The opening phrase, and how many steps it tells already."""
    operation = chain.operations[0]
    if draw() < OPENS_WITH_A_STEP:
        if operation == "+":
            return pick(draw, world.pairs), 1
        if operation == "*":
            return pick(draw, world.groups), 1
    return pick(draw, world.openers), 0


def _choices(draw: Draw, world: World, operation: str, operand: int) -> Sequence[Phrase]:
    if operation == "+":
        return world.plus
    if operation == "-":
        return world.minus
    short = operand == 2 and draw() < SAYS_TWICE_OR_HALF
    if operation == "*":
        return world.twice if short else world.times
    return world.half if short else world.over


def _sentence(phrase: Phrase, words: dict[str, Any], start: int, n: int, link: str = "") -> str:
    words["start"], words["n"] = start, n
    text = link + (phrase.one if n == 1 else phrase.many) % words
    return text[0].upper() + text[1:]
