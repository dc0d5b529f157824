"""The plots of a report: what each shows, in numbers and in words, as PNG and as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reason_cli.engine.plots.accuracy import accuracy, breakdowns
from reason_cli.engine.plots.changes import flips, sampling
from reason_cli.engine.plots.outputs import lengths, slips, strategies
from reason_cli.engine.plots.plot import Plot

if TYPE_CHECKING:
    from reason_cli.engine.comparison import Comparison
    from reason_cli.engine.graded import Graded


def plots(models: Mapping[str, Graded], comparisons: Sequence[Comparison]) -> list[Plot]:
    """Every plot that these evaluations have something for. `models` are by label, in the order of their colours."""
    found = [accuracy(models), *flips(models, comparisons), *sampling(models), *breakdowns(models)]
    return [*found, *strategies(models), *slips(models), *lengths(models)]
