"""Duplicates: planted ones are found, none is found that is not."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from reason_cli.engine.duplicates import NEAR, jaccard, near_duplicates, shingles

WORDS = [f"{start}{middle}{end}" for start in "bdfgklmnprst" for middle in "aeiou" for end in ("n", "ra", "ti", "so")]


def text(draw: random.Random, length: int) -> str:
    return " ".join(draw.choices(WORDS, k=length))


@pytest.fixture
def texts():
    draw = random.Random(0)
    return [text(draw, draw.randrange(30, 90)) for _ in range(3_000)]


def test_planted_copies_are_found_whatever_their_case_and_punctuation(texts):
    copies = [f"  {texts[i].upper().replace(' ', ', ')}!" for i in range(0, 3_000, 10)]
    assert near_duplicates([*texts, *copies]) == {3_000 + n: 10 * n for n in range(300)}


def test_near_copies_are_found_and_the_first_is_kept(texts):
    long = [t for t in texts if len(t.split()) >= 60]
    changed = []
    for n, original in enumerate(long):
        words = original.split()
        words[n % len(words)] = "changed"
        changed.append(" ".join(words))
    assert near_duplicates([*long, *changed]) == {len(long) + n: n for n in range(len(long))}


def test_nothing_is_dropped_that_is_less_alike_than_it_must_be(texts):
    draw = random.Random(1)
    mixed = list(texts[:400])
    for original in texts[:400]:  # from nearly the same to not at all
        words = original.split()
        for _ in range(draw.randrange(1, 12)):
            words[draw.randrange(len(words))] = draw.choice(WORDS)
        mixed.append(" ".join(words))
    dropped = near_duplicates(mixed)
    sets = [shingles(t) for t in mixed]
    near = {(i, j) for i, j in ((n, n + 400) for n in range(400)) if jaccard(sets[i], sets[j]) >= NEAR}
    assert {(keeper, index) for index, keeper in dropped.items()} == near
    assert 20 < len(near) < 300


def test_what_is_near_to_a_dropped_text_alone_is_kept():
    chain = [" ".join(WORDS[:n]) for n in (64, 54, 46)]
    a, b, c = map(shingles, chain)
    assert jaccard(a, b) >= NEAR <= jaccard(b, c) and jaccard(a, c) < NEAR
    assert near_duplicates(chain) == {1: 0}


def test_short_and_empty_texts():
    asked = ["a b", "A, b!", "b a", "a b c d", "a b c d e", "a b c d e f", "", "?", " ", "a b c d e."]
    assert near_duplicates(asked) == {1: 0, 8: 6, 9: 4}
    assert near_duplicates([]) == {} and near_duplicates(["alone"]) == {}


def test_the_result_does_not_depend_on_the_size_of_a_chunk(texts, monkeypatch):
    from reason_cli.engine import duplicates

    some = texts[:50] + [f"{t} more" for t in texts[:50]]
    whole = near_duplicates(some)
    monkeypatch.setattr(duplicates, "CHUNK", 7)
    assert near_duplicates(some) == whole and len(whole) > 40


def test_a_shared_preamble_hides_no_duplicate_and_makes_none():
    draw = random.Random(2)
    preamble = " ".join(WORDS[:40])
    rows = [f"{preamble} {text(draw, 10)}" for _ in range(500)]
    assert near_duplicates(rows + [f"{row} indeed" for row in rows[:100]]) == {500 + n: n for n in range(100)}


def test_shingles_are_five_words_in_a_row():
    assert shingles("One two, three four five!") == {("one", "two", "three", "four", "five")}
    assert len(shingles("One two three four five six seven")) == 3
    assert shingles("One two") == {("one", "two")}
    for a, b in combinations([shingles("a b c d e f g"), shingles("a b c d e f"), shingles("h")], 2):
        assert jaccard(a, b) == jaccard(b, a) == len(a & b) / len(a | b)
