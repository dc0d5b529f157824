"""What changed from model to model, and what more answers to each question would bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from reason_cli.engine.plots import kinds
from reason_cli.engine.plots.kinds import Curve
from reason_cli.engine.plots.plot import Plot, named, questions, short

if TYPE_CHECKING:
    from reason_cli.engine.comparison import Comparison
    from reason_cli.engine.graded import Graded


def flips(models: Mapping[str, Graded], comparisons: Sequence[Comparison]) -> Iterator[Plot]:
    """Questions that became right and that became wrong, for each comparison."""
    if not comparisons:
        return
    told = [(c, named(models, c.a), named(models, c.b)) for c in comparisons]
    rows = [(f"{short(a)}\n→ {short(b)}", len(c.broken), len(c.corrected)) for c, a, b in told]
    yield Plot(
        name="flips",
        title="Questions that changed",
        caption="Right of zero: wrong in the first model and right in the other; left of zero: the other way round. "
        + " ".join(f"{b}: {c.both:,} right in both, {c.neither:,} in neither." for c, _, b in told)
        + f" n = {comparisons[0].n:,} questions.",
        columns=["From", "To", "Corrected", "Broken", "Right in both", "Right in neither"],
        numbers=[[a, b, *(f"{n:,}" for n in (len(c.corrected), len(c.broken), c.both, c.neither))] for c, a, b in told],
        draw=partial(kinds.flips, rows=rows, names=("broken", "corrected")),
        height=0.85 + 0.42 * len(rows),
    )


def sampling(models: Mapping[str, Graded]) -> Iterator[Plot]:
    """pass@k (unbiased, Chen et al. 2021) and maj@k (Wang et al. 2022) of the models with several samples."""
    lines = [
        _curve(f"{name} {short(label)}" if len(models) > 1 else name, values, n, key == "maj_at_k")
        for n, (label, graded) in enumerate(models.items())
        for key, name in (("pass_at_k", "pass@k"), ("maj_at_k", "maj@k"))
        if (values := graded.results.get(key))
    ]
    if not lines:
        return
    yield Plot(
        name="samples",
        title="More answers to each question",
        caption=f"pass@k: at least one of k answers is right (full line). maj@k: the most frequent of k answers is "
        f"right (dashed). The bands are 95% intervals. {questions(models)}.",
        columns=["Curve", "k", "Share", "95% interval"],
        numbers=[
            [line.name, f"{k:,}", f"{y:.1%}", f"{low:.1%} to {high:.1%}"]
            for line in lines
            for k, y, (low, high) in zip(line.x, line.y, line.intervals, strict=True)
        ],
        draw=partial(kinds.curves, lines=lines, label="k, answers to each question"),
        height=2.6 + 0.1 * len(lines),
    )


def _curve(name: str, values: Mapping[str, Any], series: int, dashed: bool) -> Curve:
    shares, intervals = [v["value"] for v in values.values()], [tuple(v["interval95"]) for v in values.values()]
    return Curve(name, [int(k) for k in values], shares, intervals, series, dashed)
