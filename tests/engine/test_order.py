"""The order of rows: every row, seeded, batches of like length, sources in their shares."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from reason_cli.engine.order import LengthGrouped, Mixture


def order(lengths, batch_size=4, seed=0, epoch=0, mixture=None):
    sampler = LengthGrouped(lengths, batch_size, seed, mixture)
    sampler.set_epoch(epoch)
    return list(sampler)


LENGTHS = [(7 * n) % 101 + 1 for n in range(1003)]


def test_every_row_comes_once():
    assert sorted(order(LENGTHS)) == list(range(len(LENGTHS)))


def test_the_order_is_the_seeds_and_each_pass_has_its_own():
    assert order(LENGTHS) == order(LENGTHS)
    assert order(LENGTHS, seed=1) != order(LENGTHS) != order(LENGTHS, epoch=1)


def test_little_of_a_batch_is_padding():
    rows = order(LENGTHS, batch_size=8)
    batches = [rows[i : i + 8] for i in range(0, len(rows), 8)]
    padded = sum(len(b) * max(LENGTHS[i] for i in b) for b in batches)
    assert padded < 1.1 * sum(LENGTHS)


def test_batches_do_not_run_from_short_to_long():
    rows = order(LENGTHS, batch_size=8)
    first = [LENGTHS[rows[i]] for i in range(0, 400, 8)]
    rises = sum(later > earlier for earlier, later in pairwise(first))
    assert 0.3 < rises / len(first) < 0.7


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 200, 201])
def test_any_number_of_rows(count):
    assert sorted(order([5] * count)) == list(range(count))


# --- shares ------------------------------------------------------------------------------------------------------

SOURCES = np.array([0] * 90 + [1] * 10, np.int32)


def test_a_pass_has_the_shares_that_were_asked_for():
    mixture = Mixture(SOURCES, [1.0, 3.0])
    rows = order([5] * 100, mixture=mixture)
    assert mixture.counts() == [25, 75] and len(rows) == 100
    counts = Counter(int(SOURCES[row]) for row in rows)
    assert counts == {0: 25, 1: 75}
    assert set(Counter(row for row in rows if row >= 90).values()) <= {7, 8}, "a small source begins anew, evenly"


def test_a_large_source_goes_on_in_the_next_pass():
    mixture = Mixture(SOURCES, [1.0, 1.0])
    seen = [row for epoch in range(9) for row in mixture.rows(epoch, 0) if row < 90]
    assert Counter(seen) == dict.fromkeys(range(90), 5), "9 passes of 50 rows are 5 times 90, each row as often"


def test_a_source_of_weight_zero_is_left_out():
    assert {int(SOURCES[row]) for row in Mixture(SOURCES, [0.0, 0.1]).rows(0, 0)} == {1}


@pytest.mark.parametrize("weights", [[1, 1], [1, 2], [0.1, 7], [1e-9, 1]])
def test_shares_add_up(weights):
    assert sum(Mixture(SOURCES, weights).counts()) == 100


def test_shares_are_seeded_and_each_pass_is_another():
    mixture = Mixture(SOURCES, [1.0, 3.0])
    assert mixture.rows(0, 1) == mixture.rows(0, 1) != mixture.rows(0, 2)
    assert mixture.rows(0, 1) != mixture.rows(1, 1)
