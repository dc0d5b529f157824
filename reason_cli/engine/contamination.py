"""Whether a training item holds a benchmark's test question: as its own question, or 13 words of it in a row.

Texts are compared as normalised words. This module knows strings alone: neither datasets nor rows.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

GRAM = 13  # words in a row that two texts seldom share by chance (GPT-3, arXiv 2005.14165, appendix C)
BLOCK = (GRAM + 1) // 2  # with a block at every 7th word, any window of 13 words holds a whole one
QUESTION, SHARED_GRAM = "question", "13-gram"  # how an item matched


def _pattern(letter: str, digit: str) -> re.Pattern[str]:
    """What counts as a word: letters; a number with its decimals; a sign that changes what is asked.

    Without signs `3+4` and `3*4` would be one question. A hyphen is a minus only before a number and not after
    a word ("covid-19"); `*` and `/` count only before a number ("**bold**", "and/or").
    """
    number = rf"{digit}+(?:\.{digit}+)?|\.(?<!\w\.){digit}+"
    return re.compile(rf"{letter}+|{number}|[+=<>^%×÷√]|[*/⁄](?=\s?{digit})|-(?<!{letter}{letter}-)(?=\s?[.$]?{digit})")


ANY_WORD = _pattern(r"[^\W\d_]", r"\d")
ASCII_WORD = _pattern("[a-z]", "[0-9]")  # the same words of an ASCII text, in two thirds of the time
THOUSANDS = re.compile(r",(?=\d{3}(?!\d))(?<=\d,)")


def words(text: str) -> list[str]:
    """The normalised words of a text: case, punctuation, spacing and `1,200` for `1200` make no difference.

    A text without a word is itself its one word, so that two such texts stay different.
    """
    text = unicodedata.normalize("NFKC", text).casefold().replace("−", "-")
    pattern = ASCII_WORD if text.isascii() else ANY_WORD
    return pattern.findall(THOUSANDS.sub("", text) if "," in text else text) or [text.strip()]


def question_key(text: str) -> int:
    """A 64-bit key of a text's words, the same in every process and on every machine."""
    return _key(words(text))


def _key(words: Sequence[str]) -> int:
    return int.from_bytes(hashlib.blake2b(" ".join(words).encode(errors="replace"), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class Match:
    """A test question found in an item: of which benchmark, how, and the question as the benchmark has it."""

    label: str
    kind: str
    question: str


class TestQuestions:
    """The test questions of any number of benchmarks, to be looked for in training items."""

    __test__ = False  # a name that test runners would collect

    def __init__(self) -> None:
        self._benchmarks: dict[str, _Benchmark] = {}

    def add(self, label: str, questions: Iterable[str]) -> None:
        """Look for these questions too; `label` names their benchmark, and may be added to."""
        self._benchmarks.setdefault(label, _Benchmark()).add(questions)

    def matches(self, question: str, *texts: str) -> list[Match]:
        """At most one match per benchmark, in the order they were added; an equal question goes first.

        `question` is compared as a whole, and every run of 13 words is looked for in it and in `texts` (the
        item's reasoning and answer), which are read as one text. A plain document is passed alone.
        """
        said = words(question)
        key = _key(said)
        for text in texts:
            said += words(text)
        blocks = [tuple(said[i : i + BLOCK]) for i in range(0, len(said) - BLOCK + 1, BLOCK)]
        found = []
        for label, benchmark in self._benchmarks.items():
            if key in benchmark.by_key:
                found.append(Match(label, QUESTION, benchmark.by_key[key]))
            elif not benchmark.blocks.isdisjoint(blocks):
                asked = benchmark.sharing_gram(said)
                found += [] if asked is None else [Match(label, SHARED_GRAM, asked)]
        return found


class _Benchmark:
    """One benchmark's questions by key and by 13-gram, the first question where several share one.

    `blocks` are all its 7-grams: a text whose blocks are not among them shares no 13-gram, which spares
    nearly every text the search at each of its words.
    """

    def __init__(self) -> None:
        self.by_key: dict[int, str] = {}
        self.blocks: set[tuple[str, ...]] = set()
        self._grams: dict[tuple[str, ...], str] = {}
        self._vocabulary: dict[str, str] = {}

    def add(self, questions: Iterable[str]) -> None:
        for question in questions:
            asked = [self._vocabulary.setdefault(w, w) for w in words(question)]  # each word is kept once
            self.by_key.setdefault(_key(asked), question)
            if len(asked) >= GRAM:
                self.blocks.update(_grams(asked, BLOCK))
            for gram in _grams(asked, GRAM):
                self._grams.setdefault(gram, question)

    def sharing_gram(self, said: list[str]) -> str | None:
        """The question that shares the first of a text's 13-grams that any question holds."""
        return next((self._grams[gram] for gram in _grams(said, GRAM) if gram in self._grams), None)


def _grams(words: list[str], n: int) -> Iterable[tuple[str, ...]]:
    return zip(*(words[i:] for i in range(n)), strict=False)
