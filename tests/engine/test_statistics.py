"""Wilson's interval against figures from elsewhere."""

from __future__ import annotations

import pytest

from reason_cli.engine.statistics import wilson


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        # scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (1, 10, 0.017876, 0.404150),
        (5, 10, 0.236593, 0.763407),
        (190, 200, 0.910420, 0.972610),
        (81, 263, 0.255289, 0.366190),
    ],
)
def test_known_values(correct, n, low, high):
    assert wilson(correct, n) == pytest.approx((low, high), abs=2e-4)


def test_nothing_counted_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


def test_it_holds_the_share_and_narrows():
    for n in (10, 100, 1000):
        low, high = wilson(n // 2, n)
        assert 0 <= low < 0.5 < high <= 1
    assert wilson(500, 1000)[0] > wilson(50, 100)[0]
