"""Plots saved by matplotlib: as PNG, and as SVG that takes the colours of the page it stands in.

Safe in threads, and without pyplot: matplotlib's settings are global, so that they are set, used and put back by one
thread at a time. The same plot gives the same bytes. The colours of series can be told apart by the colour-blind
(after Okabe and Ito 2008: blue, vermillion and green first).
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Callable
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

WIDTH = 5.0  # inches; on a page the plot is as wide as its place
PNG_DPI = 200
INK, QUIET, GRID, PAPER = "#1c2530", "#5d6b7a", "#e2e7ed", "#ffffff"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#c46a9d", "#4aa3d8", "#c98a00")
MARKERS = ("o", "s", "D", "^", "v", "P")
NEUTRAL = -1  # in place of a series: what belongs to none
PALE = 0.32  # opacity of the wrong part of a bar
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "reason",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": QUIET,
    "axes.labelsize": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": INK,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.handlelength": 1.5,
    "legend.columnspacing": 1.4,
    "legend.borderpad": 0.0,
}
_ONE_AT_A_TIME = Lock()

Draw = Callable[["Figure | SubFigure"], None]


def png(draw: Draw, height: float, title: str, caption: str) -> bytes:
    """The plot as a PNG, light, between its title and its caption; `height` is the plot's own, in inches."""
    return _framed(draw, height, title, caption, format="png", dpi=PNG_DPI, metadata={"Software": None})


def whole_svg(draw: Draw, height: float, title: str, caption: str) -> str:
    """The plot as an SVG that stands for itself, between its title and its caption."""
    return _framed(draw, height, title, caption, format="svg", metadata={"Date": None}).decode()


def svg(draw: Draw, height: float) -> str:
    """The plot as matplotlib's SVG, its text kept as text; `height` in inches."""
    return _saved(draw, height, format="svg", metadata={"Date": None}).decode()


def _framed(draw: Draw, height: float, title: str, caption: str, **how: Any) -> bytes:
    def framed(figure: Figure) -> None:
        above, middle, below = figure.subfigures(3, 1, height_ratios=heights)  # type: ignore[misc]
        above.text(0.02, 0.3, title, fontsize=11, fontweight="bold")
        draw(middle)
        below.text(0.02, 1, "\n".join(lines), fontsize=7.5, color=QUIET, va="top")

    lines = textwrap.wrap(caption, 85)
    heights = [0.4, height, 0.14 * len(lines) + 0.1]
    return _saved(framed, sum(heights), **how)


def _saved(draw: Callable[[Figure], None], height: float, **how: Any) -> bytes:
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    buffer = BytesIO()
    with _ONE_AT_A_TIME, matplotlib.style.context(["default", STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # of a script that the font lacks: shown as a box
        figure = Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08))
        FigureCanvasAgg(figure)
        draw(figure)
        figure.savefig(buffer, **how)
    return buffer.getvalue()


def colour(series: int) -> str:
    """The colour of a series; they repeat after six, with other markers only beside them."""
    return QUIET if series == NEUTRAL else SERIES[series % len(SERIES)]
