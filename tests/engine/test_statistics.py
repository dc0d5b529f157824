"""Intervals, tests and pass@k against statsmodels and scipy."""

from __future__ import annotations

import math
import random

import pytest

from reason_cli.engine.statistics import mcnemar_exact, mean_interval, paired_bootstrap, pass_at_k, wilson

SHARES = [(c, n) for n in (1, 2, 7, 10, 1319, 100_000) for c in sorted({0, 1, n // 3, n // 2, n - 1, n})]


@pytest.mark.parametrize(("correct", "n"), SHARES)
def test_wilson_is_that_of_statsmodels(correct, n):
    from statsmodels.stats.proportion import proportion_confint

    assert wilson(correct, n) == pytest.approx(proportion_confint(correct, n, method="wilson"), abs=1e-12)


def test_nothing_counted_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)
    assert mean_interval([]) == mean_interval([0.5]) == (0.0, 1.0)


def test_it_holds_the_share_and_narrows():
    for n in (10, 100, 1000):
        low, high = wilson(n // 2, n)
        assert 0 <= low < 0.5 < high <= 1
    assert wilson(500, 1000)[0] > wilson(50, 100)[0]


def test_the_interval_of_a_mean_is_that_of_scipy():
    from scipy import stats

    values = [random.Random(0).choice((0, 0.25, 0.5, 1)) for _ in range(40)] + [0.25, 0.5] * 30
    expected = stats.norm.interval(0.95, loc=sum(values) / len(values), scale=stats.sem(values))
    assert mean_interval(values) == pytest.approx(expected, abs=1e-12)
    assert mean_interval([0.9, 1.0])[1] == 1.0, "never past a whole"


def test_a_mean_of_noughts_and_ones_is_a_share():
    """Where all are the same the normal interval would be a point."""
    assert mean_interval([1.0] * 20) == wilson(20, 20) != (1.0, 1.0)
    assert mean_interval([0, 1, 1]) == wilson(2, 3)


# --- pass@k ------------------------------------------------------------------------------------------------------

DRAWS = [(n, c, k) for n in (1, 2, 5, 8, 64, 1000) for c in {0, 1, n // 2, n} for k in {1, (n + 1) // 2, n} if c <= n]


@pytest.mark.parametrize(("n", "c", "k"), sorted(DRAWS))
def test_pass_at_k_is_the_hypergeometric_chance_of_one_or_more(n, c, k):
    from scipy.stats import hypergeom

    assert pass_at_k(n, c, k) == pytest.approx(hypergeom.sf(0, n, c, k), abs=1e-12)


def test_pass_at_k_of_large_counts_keeps_its_digits():
    """One right answer in n: the chance that it is among the k is k / n."""
    assert pass_at_k(100_000, 1, 1) == 1e-5
    assert pass_at_k(100_000, 1, 33_333) == 0.33333
    assert pass_at_k(100_000, 60_000, 50_000) == 1.0


@pytest.mark.parametrize(("n", "c", "k"), [(4, 2, 5), (4, 5, 1), (4, -1, 1), (4, 2, 0)])
def test_pass_at_k_of_what_cannot_be_is_refused(n, c, k):
    with pytest.raises(ValueError, match=f"pass@{k} of {c} right answers in {n}"):
        pass_at_k(n, c, k)


# --- two evaluations ---------------------------------------------------------------------------------------------

DISCORDANT = [(0, 0), (0, 1), (1, 0), (5, 0), (0, 40), (3, 3), (7, 8), (152, 209), (209, 152), (50_000, 50_600)]


@pytest.mark.parametrize(("only_a", "only_b"), DISCORDANT)
def test_mcnemar_is_that_of_statsmodels_and_scipy(only_a, only_b):
    from scipy.stats import binomtest
    from statsmodels.stats.contingency_tables import mcnemar

    p = mcnemar_exact(only_a, only_b)
    if only_a + only_b:  # they have no p of no difference at all
        assert p == pytest.approx(binomtest(only_a, only_a + only_b).pvalue, rel=1e-9)
        assert p == pytest.approx(mcnemar([[306, only_a], [only_b, 652]], exact=True).pvalue, rel=1e-9)
    else:
        assert p == 1.0


def test_mcnemar_of_a_published_pair():
    """GPT-3 6B with a verifier against 175B fine-tuned, on GSM8K: the intervals overlap, and yet."""
    assert mcnemar_exact(209, 152) == pytest.approx(0.0032, abs=5e-5)


def test_mcnemar_of_what_hardly_happens_is_small_and_not_an_error():
    assert 0 < mcnemar_exact(0, 1000) == pytest.approx(2 * math.ldexp(1, -1000))
    assert mcnemar_exact(0, 100_000) == 0.0


def differences(n, seed=0, values=(-1.0, 0.0, 0.0, 0.0, 1.0, 1.0)):
    draw = random.Random(seed)
    return [draw.choice(values) for _ in range(n)]


@pytest.mark.parametrize("values", [(-1.0, 0.0, 0.0, 1.0, 1.0), (-0.5, -0.25, 0.0, 0.25, 0.75, 1.0)])
@pytest.mark.parametrize("n", [20, 300])
def test_the_bootstrap_is_that_of_scipy(n, values):
    import numpy as np
    from scipy.stats import bootstrap

    given = differences(n, 1, values)
    theirs = bootstrap((given,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(1))
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert paired_bootstrap(given, 0) == pytest.approx(tuple(theirs.confidence_interval), abs=0.04 * width)


def test_the_bootstrap_is_seeded_and_knows_no_order():
    given = differences(50)
    first = paired_bootstrap(given, 0)
    assert first == paired_bootstrap(given[::-1], 0) == paired_bootstrap(given, 0)
    assert first != paired_bootstrap(given, 1)


def test_the_bootstrap_in_chunks_is_the_bootstrap(monkeypatch):
    """As many resamples, all of them used, whatever is held at a time."""
    given = differences(60)
    whole = paired_bootstrap(given, 0, resamples=2001)
    monkeypatch.setattr("reason_cli.engine.statistics.CHUNK", 30)
    assert paired_bootstrap(given, 0, resamples=2001) == whole


def peak_of(given, resamples=10_000):
    """The bootstrap's interval, and the bytes that it held at most."""
    import tracemalloc

    tracemalloc.start()
    interval = paired_bootstrap(given, 0, resamples)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return interval, peak


def test_the_bootstrap_of_a_hundred_thousand_questions_is_small():
    """It holds no resamples x questions, which would be 8 GB."""
    given = differences(100_000)
    interval, peak = peak_of(given)
    mean = sum(given) / len(given)
    error = math.sqrt((sum(d * d for d in given) / len(given) - mean * mean) / len(given))
    assert interval == pytest.approx((mean - 1.96 * error, mean + 1.96 * error), abs=0.1 * error)
    assert peak < 2**26


def test_the_bootstrap_of_many_different_values_is_small():
    _, peak = peak_of([n / 5000 for n in range(5000)], resamples=1500)
    assert peak < 45e6, "all resamples at once are 60 MB and more"


def test_the_bootstrap_of_fewer_than_two_says_nothing():
    assert paired_bootstrap([], 0) == paired_bootstrap([1.0], 0) == (-1.0, 1.0)
    assert paired_bootstrap([0.5, 0.5], 0) == (0.5, 0.5)
