"""The statistics of right and wrong answers: how sure one may be of a share, and of a difference of two."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, sqrt

Z95 = 1.959963984540054  # the standard normal's 97.5% quantile
CHUNK = 2**21  # counts that the bootstrap holds at a time, 8 bytes each


def wilson(correct: float, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval (1927) of a share; (0, 1) when nothing was counted."""
    if n == 0:
        return 0.0, 1.0
    share = correct / n
    centre = share + z * z / (2 * n)
    spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def mean_interval(values: Sequence[float], z: float = Z95) -> tuple[float, float]:
    """The normal interval of a mean of shares, one per independent unit (a question); (0, 1) of fewer than two.

    Where each is 0 or 1 it is Wilson's, which does not shrink to a point when all are the same.
    """
    n = len(values)
    if n < 2:
        return 0.0, 1.0
    if all(v in (0, 1) for v in values):
        return wilson(sum(values), n, z)
    mean = sum(values) / n
    error = sqrt(sum((v - mean) ** 2 for v in values) / (n - 1) / n)
    return max(0.0, mean - z * error), min(1.0, mean + z * error)


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that one of k answers is right, of n drawn of which c are: unbiased (Chen et al., arXiv 2107.03374).

    1 - C(n - c, k) / C(n, k), from whole numbers and rounded once. Raises `ValueError` unless 0 <= c <= n and
    1 <= k <= n.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"pass@{k} of {c} right answers in {n}")
    return (comb(n, k) - comb(n - c, k)) / comb(n, k)


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """The two-sided p of McNemar's exact test: `only_a` questions that A alone solves, `only_b` that B alone does.

    The chance that a fair coin parts them at least as unevenly; 1.0 when there are none.
    """
    n, fewer = only_a + only_b, min(only_a, only_b)
    term = tail = comb(n, fewer) / 2**n  # of whole numbers, so that it neither overflows nor loses digits
    for i in range(fewer, 0, -1):
        term *= i / (n - i + 1)
        tail += term
    return min(1.0, 2 * tail)


def paired_bootstrap(differences: Sequence[float], seed: int, resamples: int = 10_000) -> tuple[float, float]:
    """The 95% percentile interval (Efron 1979) of a mean difference; one difference per independent unit, a question.

    Questions are what is drawn, so several answers to one stay together. Equal differences are drawn together, as
    one multinomial count: the same distribution, less work, and the order of the questions does not matter.
    (-1, 1) of fewer than two.
    """
    import numpy as np

    n = len(differences)
    if n < 2:
        return -1.0, 1.0
    values, counts = np.unique(np.asarray(differences, dtype=np.float64), return_counts=True)
    draws, means = np.random.default_rng(seed), np.empty(resamples)
    step = max(1, CHUNK // len(values))
    for start in range(0, resamples, step):
        drawn = draws.multinomial(n, counts / n, size=min(step, resamples - start))
        means[start : start + step] = drawn @ values / n
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
