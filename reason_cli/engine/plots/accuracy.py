"""Accuracy with its intervals: of each model, and of each kind of question."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from reason_cli.engine.plots import kinds
from reason_cli.engine.plots.kinds import Key, Point, Row
from reason_cli.engine.plots.plot import Plot, questions, short
from reason_cli.engine.plots.rendering import NEUTRAL

if TYPE_CHECKING:
    from reason_cli.engine.graded import Graded

MOST_VALUES = 16  # of a tag in one plot; those with the most questions are shown
FIGURES = ("Accuracy", "95% interval", "Right", "n")
BREAKDOWNS = {
    "steps": "number of steps",
    "operation": "operation",
    "length": "length of the question",
    "magnitude": "magnitude of the answer",
}


def accuracy(models: Mapping[str, Graded]) -> Plot:
    """Lenient and strict accuracy of each model with 95% intervals."""
    rows, numbers = [], []
    for series, (label, graded) in enumerate(models.items()):
        parts = {"lenient": graded.results, "strict": graded.results["strict"]}
        shown = [_point(part, series, hollow=name == "strict") for name, part in parts.items()]
        notes = [f"{part['accuracy']:.1%}" for part in parts.values()]
        if len(models) == 1:
            rows = [Row(name, [p], note=note) for name, p, note in zip(parts, shown, notes, strict=True)]
        else:
            rows.append(Row(short(label), shown, note="\n".join(notes)))
        numbers += [[label, name, *_figures(part)] for name, part in parts.items()]
    shade = NEUTRAL if len(models) > 1 else 0
    keys = [Key("lenient", shade), Key("strict", shade, hollow=True)]
    return Plot(
        name="accuracy",
        title="Accuracy, lenient and strict",
        caption=f"Share of right answers with its 95% interval. Filled: every way to read the answer counts; "
        f"hollow: explicit markers only. {questions(models)}.",
        columns=["Model", "Counted", *FIGURES],
        numbers=numbers,
        draw=partial(kinds.points, rows=rows, keys=keys),
        height=0.75 + (0.42 if len(models) > 1 else 0.26) * len(rows),
    )


def _figures(share: Mapping[str, Any]) -> list[str]:
    low, high = share["interval95"]
    n = f"{share['n']:,}" + (f" ({share['answers']:,} answers)" if "answers" in share else "")
    return [f"{share['accuracy']:.1%}", f"{low:.1%} to {high:.1%}", f"{share['correct']:,}", n]


def _point(share: Mapping[str, Any], series: int, hollow: bool = False) -> Point:
    low, high = share["interval95"]
    return Point(share["accuracy"], low, high, series, hollow)


def breakdowns(models: Mapping[str, Graded]) -> Iterator[Plot]:
    """Accuracy by steps, operation, length and magnitude, and by each tag; nothing of what has one value."""
    taken: set[str] = set()
    told: set[str] = set()  # what is told of any dataset is not shown again by a tag of that name
    for part, title in BREAKDOWNS.items():
        for plot in _breakdown(f"by-{part}", title, _analysed(models, part), models):
            told.add(part)
            yield plot
    for tag in dict.fromkeys(tag for g in models.values() for tag in g.results["by"]):
        name = base = f"tag-{re.sub(r'[^a-z0-9]+', '-', tag.lower()).strip('-')[:40] or 'unnamed'}"
        number = 2
        while name in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name)
        if tag in told:
            continue
        by = {label: g.results["by"].get(tag, {}) for label, g in models.items()}
        yield from _breakdown(name, f"tag “{short(tag)}”", by, models)


def _analysed(models: Mapping[str, Graded], name: str) -> dict[str, Any]:
    return {label: g.results["errors"]["by"].get(name, {}) for label, g in models.items()}


def _breakdown(
    name: str, title: str, by: Mapping[str, Mapping[str, Any]], models: Mapping[str, Graded]
) -> Iterator[Plot]:
    size: Counter[str] = Counter()
    for shares in by.values():
        for value, share in shares.items():
            size[value] = max(size[value], share["n"])
    if len(size) < 2 or max(size.values()) < 2:
        return
    shown = {value for value, _ in size.most_common(MOST_VALUES)}
    rows = []
    for value in (value for value in size if value in shown):
        cells = [_point(shares[value], n) for n, shares in enumerate(by.values()) if value in shares]
        rows.append(Row(short(value), cells, note=f"n={size[value]:,}"))
    left_out = f" The {len(shown)} of {len(size)} values with the most questions." if len(size) > len(shown) else ""
    keys = [Key(short(label), n) for n, label in enumerate(models)] if len(models) > 1 else []
    keys += [Key("over all", kind="line")] if len(models) == 1 else []
    yield Plot(
        name=name,
        title=f"Accuracy by {title}",
        caption=f"Share of right answers with its 95% interval; dashed: over all. {questions(models)}.{left_out}",
        columns=["Value", "Model", *FIGURES],
        numbers=[[v, label, *_figures(shares[v])] for v in size for label, shares in by.items() if v in shares],
        draw=partial(
            kinds.points,
            rows=rows,
            keys=keys,
            marks=[(g.results["accuracy"], n) for n, g in enumerate(models.values())],
        ),
        height=0.8 + len(rows) * (0.15 + 0.11 * len(models)) + 0.1 * len(models),
    )
