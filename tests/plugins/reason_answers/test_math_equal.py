"""`math`: which answers are the same, for every kind of answer; the pairs are in `math_pairs`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random

import math_pairs
import pytest
from reason_answers.expression import Math

math = Math()


def ids(pairs: list[tuple[str, str, str]]) -> list[str]:
    return [ascii(f"{kind}: {left} | {right}") for kind, left, right in pairs]


@pytest.mark.parametrize(("kind", "left", "right"), math_pairs.SAME, ids=ids(math_pairs.SAME))
def test_same(kind: str, left: str, right: str) -> None:
    assert math.equal(left, right)
    assert math.equal(right, left)


@pytest.mark.parametrize(("kind", "left", "right"), math_pairs.DIFFERENT, ids=ids(math_pairs.DIFFERENT))
def test_different(kind: str, left: str, right: str) -> None:
    assert not math.equal(left, right)
    assert not math.equal(right, left)


def test_kinds_of_different_value_never_mix() -> None:
    """An answer of one kind is never the same as one of another, but for numbers that are really equal."""
    kinds = {kind: left for kind, left, _ in math_pairs.SAME}
    firsts = [
        kinds[kind] for kind in ("intervals", "sets", "points", "matrices", "words", "ratios and times", "choices")
    ]
    assert len(firsts) == 7
    for left in firsts:
        assert [right for right in firsts if math.equal(left, right)] == [left]


def test_every_thread_says_the_same() -> None:
    pairs = [(left, right) for _, left, right in (*math_pairs.SAME, *math_pairs.DIFFERENT)]
    Random(3).shuffle(pairs)
    from reason_answers.algebra import reading

    reading.read.cache_clear()  # so that the threads do the work
    with ThreadPoolExecutor(8) as pool:
        threaded = list(pool.map(lambda pair: math.equal(*pair), pairs))
    assert threaded == [math.equal(*pair) for pair in pairs]
    assert 0 < sum(threaded) < len(pairs)
