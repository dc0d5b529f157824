"""The answers themselves: how they were read, how long they are, what the wrong ones have wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reason_cli.engine.grading import Sample
from reason_cli.engine.plots import kinds
from reason_cli.engine.plots.kinds import Key, Row
from reason_cli.engine.plots.plot import Plot, answers, several, short
from reason_cli.engine.plots.rendering import NEUTRAL

if TYPE_CHECKING:
    from reason_cli.engine.graded import Graded

SLIPS = {
    "arithmetic": "arithmetic slip",
    "reasoning": "reasoning slip",
    "unchecked": "not checkable",
    "no_answer": "no answer",
    "cut_off": "cut off",
}


def strategies(models: Mapping[str, Graded]) -> Iterator[Plot]:
    """How the answers were read: the share of each strategy, and how much of it is right."""
    names = list(dict.fromkeys(s.strategy or "none" for g in models.values() for s in g.samples))
    rows, numbers = [], []
    total = {label: max(1, len(g.samples)) for label, g in models.items()}
    for name in sorted(names, key=lambda name: -sum(_by_strategy(g, name)[0] for g in models.values())):
        cells = {label: _by_strategy(g, name) for label, g in models.items()}
        parts = [
            (n, [right / total[k], (all_ - right) / total[k]]) for n, (k, (all_, right)) in enumerate(cells.items())
        ]
        rows.append(Row(short(name), bars=parts))
        numbers += [
            [name, label, f"{all_:,}", f"{all_ / total[label]:.1%}", f"{right:,}"]
            for label, (all_, right) in cells.items()
        ]
    keys = [Key(short(label), n, kind="bar") for n, label in enumerate(models)] if len(models) > 1 else []
    shade = NEUTRAL if keys else 0
    keys += [Key("right", shade, kind="bar"), Key("wrong", shade, hollow=True, kind="bar")]
    yield Plot(
        name="strategies",
        title="How the answers were read",
        caption=f"Share of all answers by the rule that found the answer; the full part of a bar is right, the pale "
        f"part wrong. “none”: no answer was found. n = {answers(models)} answers.",
        columns=["Strategy", "Model", "Answers", "Share", "Right"],
        numbers=numbers,
        draw=partial(kinds.bars, rows=rows, keys=keys),
        height=0.75 + len(rows) * (0.16 + 0.11 * len(models)) + 0.1 * len(models),
    )


def _by_strategy(graded: Graded, name: str) -> tuple[int, int]:
    """How many answers were found by it, and how many of them are right."""
    found = [s.correct for s in graded.samples if (s.strategy or "none") == name]
    return len(found), sum(found)


def slips(models: Mapping[str, Graded]) -> Iterator[Plot]:
    """What the wrong answers have wrong."""
    counts = {label: g.results["errors"]["slips"] for label, g in models.items()}
    if not any(sum(found.values()) for found in counts.values()):
        return
    shown = [kind for kind in SLIPS if any(found[kind] for found in counts.values())]
    keys = [Key(short(label), n, kind="bar") for n, label in enumerate(models)] if len(models) > 1 else []
    rows = [Row(SLIPS[kind], bars=[(n, [found[kind]]) for n, found in enumerate(counts.values())]) for kind in shown]
    if len(models) == 1:
        rows = [replace(row, note=f"{row.bars[0][1][0]:,}") for row in rows]
    wrong = several(sum(found.values()) for found in counts.values())
    yield Plot(
        name="slips",
        title="What went wrong",
        caption=f"Wrong answers by their kind. Arithmetic: a step that was written down is calculated wrongly; "
        f"reasoning: all that can be checked is calculated rightly. n = {wrong} wrong answers.",
        columns=["Kind", "Model", "Wrong answers"],
        numbers=[[SLIPS[k], label, f"{found[k]:,}"] for k in SLIPS for label, found in counts.items()],
        draw=partial(kinds.bars, rows=rows, keys=keys, percent=False),
        height=0.6 + len(rows) * (0.16 + 0.11 * len(counts)) + 0.12 * len(keys),
    )


def lengths(models: Mapping[str, Graded]) -> list[Plot]:
    """How long right and wrong answers are, in tokens; nothing of another tool's answers, which nobody counted."""
    if not any(s.tokens for graded in models.values() for s in graded.samples):
        return []
    panels, numbers = [], []
    for label, graded in models.items():
        parts = {name: _tokens(graded.samples, name == "right") for name in ("right", "wrong")}
        panels.append((short(label), parts["right"], parts["wrong"]))
        numbers += [[label, name, f"{len(t):,}", *_quantiles(t)] for name, t in parts.items()]
    each = ", each model on its own." if len(models) > 1 else "."
    plot = Plot(
        name="lengths",
        title="Length of the answers",
        caption="Answers by their tokens; wrong ones, pale, stand on top of right ones. "
        f"n = {answers(models)} answers{each}",
        columns=["Model", "Verdict", "Answers", "Median tokens", "95% are shorter than", "Longest"],
        numbers=numbers,
        draw=partial(kinds.histograms, panels=panels, label="tokens"),
        height=0.85 + 1.1 * len(panels) + (0.5 if len(panels) == 1 else 0),
    )
    return [plot]


def _tokens(samples: Sequence[Sample], right: bool) -> list[int]:
    return sorted(s.tokens for s in samples if s.correct == right)


def _quantiles(ordered: Sequence[int]) -> list[str]:
    return [f"{ordered[round(q * (len(ordered) - 1))]:,}" if ordered else "–" for q in (0.5, 0.95, 1)]
