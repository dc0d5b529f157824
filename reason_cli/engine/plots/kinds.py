"""The kinds of plots: rows of points or bars, histograms, curves. Knows no evaluation: it draws labels and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reason_cli.engine.plots.rendering import INK, MARKERS, NEUTRAL, PALE, PAPER, QUIET, colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    AnyFigure = Figure | SubFigure


@dataclass(frozen=True)
class Point:
    """A share with its interval, all from 0 to 1, in the colour of a series; `hollow` for the stricter of two."""

    value: float
    low: float
    high: float
    series: int = 0
    hollow: bool = False


@dataclass(frozen=True)
class Row:
    """A line of a plot: what it is called, the points or the bars in it, and a note at its right end.

    A bar is the series it belongs to and its parts one after the other: the first full, the second pale.
    """

    label: str
    points: Sequence[Point] = ()
    bars: Sequence[tuple[int, Sequence[float]]] = ()
    note: str = ""


@dataclass(frozen=True)
class Key:
    """An entry of the legend: a name in the colour of a series, as a point, a line or a bar."""

    name: str
    series: int = 0
    hollow: bool = False
    kind: str = "point"


@dataclass(frozen=True)
class Curve:
    """A line through `x`, `y` with the interval of each `y`; dashed for the second of two kinds."""

    name: str
    x: Sequence[int]
    y: Sequence[float]
    intervals: Sequence[tuple[float, float]]
    series: int = 0
    dashed: bool = False


def points(
    figure: AnyFigure, rows: Sequence[Row], keys: Sequence[Key] = (), marks: Sequence[tuple[float, int]] = ()
) -> None:
    """Shares with their intervals, a row each from the top; `marks` are dashed lines through all rows."""
    axes = _row_axes(figure, rows)
    for at, series in marks:
        axes.axvline(at, color=colour(series), linewidth=1, linestyle=(0, (4, 3)), alpha=0.6)
    for y, row in enumerate(rows):
        for point, offset in zip(row.points, _offsets(len(row.points)), strict=True):
            axes.plot([point.low, point.high], [y + offset] * 2, color=colour(point.series), linewidth=1.8)
            axes.plot([point.value], [y + offset], **_marker(point.series, point.hollow), clip_on=False)
    shown = [p for row in rows for p in row.points]
    low, high = min(p.low for p in shown), max(p.high for p in shown)
    room = max(0.02, 0.06 * (high - low))
    axes.set_xlim(max(-0.02, low - room), min(1.02, high + room))
    _percent(axes)
    _legend(figure, keys)


def bars(figure: AnyFigure, rows: Sequence[Row], keys: Sequence[Key] = (), percent: bool = True) -> None:
    """Bars from zero to the right, a row each from the top, those of one row below each other."""
    axes = _row_axes(figure, rows)
    for y, row in enumerate(rows):
        for (series, parts), offset in zip(row.bars, _offsets(len(row.bars)), strict=True):
            left = 0.0
            thick = 0.72 / len(row.bars)
            axes.barh(y + offset, sum(parts), thick, color=PAPER)  # so that the grid is not seen through the pale part
            for part, opacity in zip(parts, (1.0, PALE), strict=False):
                axes.barh(y + offset, part, thick, left=left, color=colour(series), alpha=opacity)
                left += part
    most = max((sum(parts) for row in rows for _, parts in row.bars), default=0)
    axes.set_xlim(0, most * 1.03 or 1)
    if percent:
        _percent(axes)
    else:
        axes.locator_params(axis="x", integer=True)
    _legend(figure, keys)


def stacks(
    figure: AnyFigure, rows: Sequence[tuple[str, Sequence[float], str]], names: Sequence[str], line: float, label: str
) -> None:
    """Bars of several parts, a row each (its label, its parts, a note), and a dashed line that all are measured by.

    `names` are those of the parts in their order; `label` says what the axis counts.
    """
    axes = _row_axes(figure, [Row(name, note=note) for name, _, note in rows])
    for y, (_, parts, _) in enumerate(rows):
        left = 0.0
        for series, part in enumerate(parts):
            axes.barh(y, part, 0.62, left=left, color=colour(series))
            left += part
    axes.axvline(line, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.set_xlim(0, 1.03 * max([line, *(sum(parts) for _, parts, _ in rows)]))
    axes.set_xlabel(label)
    _legend(figure, [Key(name, series, kind="bar") for series, name in enumerate(names)])


def flips(figure: AnyFigure, rows: Sequence[tuple[str, int, int]], names: tuple[str, str]) -> None:
    """Counts to the left and to the right of zero: what was lost and what was won; `names` of the two sides."""
    axes = _row_axes(figure, [Row(label) for label, _, _ in rows])
    most = max((max(lost, won) for _, lost, won in rows), default=0) or 1
    for y, (_, lost, won) in enumerate(rows):
        for value, series, side in ((lost, 1, -1), (won, 0, 1)):
            axes.barh(y, side * value, 0.5, color=colour(series))
            axes.text(side * (value + most * 0.03), y, f"{value:,}", va="center", ha="right" if side < 0 else "left")
    axes.axvline(0, color=QUIET, linewidth=1)
    axes.set_xlim(-most * 1.2, most * 1.2)
    axes.locator_params(axis="x", integer=True)
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    _legend(figure, [Key(names[0], 1, kind="bar"), Key(names[1], 0, kind="bar")])


def histograms(figure: AnyFigure, panels: Sequence[tuple[str, Sequence[int], Sequence[int]]], label: str) -> None:
    """Of each panel, one below the other on one scale, how often the right and the wrong values fall where."""
    most = max((max([*right, *wrong], default=0) for _, right, wrong in panels), default=0)
    wide = most // 30 + 1  # so that each bar is of as many whole numbers as the others
    edges = [*range(0, max(most, 2) + wide + 1, wide)]
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)
    for series, (axes, (title, right, wrong)) in enumerate(zip(grid[:, 0], panels, strict=True)):
        _quiet(axes, "y")
        axes.hist([*right, *wrong], edges, color=colour(series), alpha=PALE, rwidth=0.9)
        axes.hist(right, edges, color=colour(series), rwidth=0.9)
        axes.tick_params(axis="y", labelcolor=QUIET)
        axes.locator_params(axis="y", integer=True, nbins=4)
        if len(panels) > 1:
            axes.set_title(title, loc="left")
    grid[-1, 0].locator_params(axis="x", integer=True)
    grid[-1, 0].set_xlabel(label)
    shade = NEUTRAL if len(panels) > 1 else 0
    _legend(figure, [Key("right", shade, kind="bar"), Key("wrong", shade, hollow=True, kind="bar")])


def curves(figure: AnyFigure, lines: Sequence[Curve], label: str) -> None:
    """Shares by a count that doubles, with the marker of each line's series."""
    axes = figure.subplots()
    _quiet(axes, "y")
    for line in lines:
        shape = _marker(line.series, hollow=line.dashed) | {"linestyle": (0, (4, 2)) if line.dashed else "-"}
        low, high = zip(*line.intervals, strict=True)
        axes.fill_between(line.x, low, high, color=colour(line.series), alpha=0.12, linewidth=0)
        axes.plot(line.x, line.y, **shape, linewidth=1.8, label=line.name)
    counts = sorted({x for line in lines for x in line.x})
    ticks = [x for x in counts if x & (x - 1) == 0 or x == counts[-1]]  # 1, 2, 4, … and the last
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [f"{x:,}" for x in ticks])
    axes.minorticks_off()
    axes.set_xlabel(label)
    axes.yaxis.set_major_formatter(_share)
    axes.tick_params(axis="y", labelcolor=QUIET)
    figure.legend(loc="outside upper left", ncols=2)


# --- what they share ---------------------------------------------------------------------------------------------


def _row_axes(figure: AnyFigure, rows: Sequence[Row]) -> Axes:
    """Axes with a labelled line for each row, the first at the top, and the notes at the right."""
    axes = figure.subplots()
    _quiet(axes, "x")
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    for y, row in enumerate(rows):
        axes.text(1.02, y, row.note, transform=axes.get_yaxis_transform(), va="center", color=QUIET, fontsize=8.5)
    return axes


def _quiet(axes: Axes, grid: str) -> None:
    axes.grid(axis=grid)  # type: ignore[arg-type]
    axes.tick_params(axis="both", length=0)


def _percent(axes: Axes) -> None:
    axes.locator_params(axis="x", nbins=6)
    axes.xaxis.set_major_formatter(_share)


def _share(value: float, _: Any) -> str:
    return f"{100 * value:.4g}%"


def _offsets(count: int) -> list[float]:
    """Where the members of a row stand around its middle."""
    return [(n - (count - 1) / 2) * 0.72 / count for n in range(count)]


def _marker(series: int, hollow: bool) -> dict[str, Any]:
    shade = colour(series)
    shape = MARKERS[series % len(MARKERS)]
    return {"marker": shape, "color": shade, "markersize": 5.5, "markerfacecolor": PAPER if hollow else shade}


def _legend(figure: AnyFigure, keys: Sequence[Key]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    for key in keys:
        if key.kind == "bar":
            handles.append(Patch(color=colour(key.series), alpha=PALE if key.hollow else 1.0, label=key.name))
        else:
            dashed = {"color": colour(key.series), "linestyle": (0, (2.5, 1.5))}
            shape = dashed if key.kind == "line" else _marker(key.series, key.hollow)
            handles.append(Line2D([], [], label=key.name, **shape))
    if handles:
        columns = 1 if max(len(key.name) for key in keys) > 24 else 2 if len(keys) % 3 else 3
        figure.legend(handles=handles, loc="outside upper left", ncols=columns)
