"""Bars, curves and sizes as people read them."""

from __future__ import annotations

import pytest

from reason_cli.cli.display import bar, curve, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (5 * 2**20, "5 MiB"),
        (3 * 2**40, "3.07e+03 GiB"),
    ],
)
def test_sizes(count, text):
    assert size(count) == text


def test_a_bar_is_as_long_as_its_share():
    assert (bar(0, 4), bar(0.5, 4), bar(1, 4)) == ("····", "██··", "████")


def test_a_curve_follows_its_values():
    assert curve([]) == ""
    assert curve([1.0]) == "▁"
    assert curve([2.0, 2.0]) == "▁▁"
    assert curve([2**n for n in range(8)]) == "▁▂▃▄▅▆▇█", "losses fall by factors: the scale is logarithmic"
    assert len(curve(list(range(1000)), width=60)) == 60
