"""A plot as a report shows it, and the words that all plots share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reason_cli.engine.analysis import breakdown, slips
from reason_cli.engine.grading import summarise
from reason_cli.engine.plots import rendering
from reason_cli.engine.plots.rendering import Draw

if TYPE_CHECKING:
    from reason_cli.engine.graded import Graded

LONGEST_LABEL = 26  # characters of a name beside a plot


@dataclass(frozen=True)
class Plot:
    """A plot by its file's name, with a title, a caption that says what it shows and of how many, and its numbers.

    `height` is in inches. `numbers` are the rows of the same facts as a table, under the heads in `columns`.
    """

    name: str
    title: str
    caption: str
    columns: Sequence[str]
    numbers: Sequence[Sequence[str]]
    draw: Draw
    height: float

    def png(self) -> bytes:
        """The plot as a PNG with its title and caption."""
        return rendering.png(self.draw, self.height, self.title, self.caption)

    def svg(self) -> str:
        """The plot as an SVG document of matplotlib's, for a page that gives it title and caption."""
        return rendering.svg(self.draw, self.height)

    def file(self, suffix: str) -> bytes:
        """The plot with its title and caption as a file of its own, `.png` or `.svg`."""
        if suffix == ".png":
            return self.png()
        return rendering.whole_svg(self.draw, self.height, self.title, self.caption).encode()


def labelled(graded: Sequence[Graded]) -> dict[str, Graded]:
    """The evaluations by the labels of their models, which are numbered where two are the same.

    What can be counted is counted from their samples, whoever wrote their `results.json`.
    """
    models: dict[str, Graded] = {}
    for one in graded:
        label, number = one.label, 2
        while label in models:
            label, number = f"{one.label} ({number})", number + 1
        errors = {"slips": slips(one.samples), "by": breakdown(one.samples)}
        models[label] = replace(one, results={**one.results, **summarise(one.samples), "errors": errors})
    return models


def named(models: Mapping[str, Graded], described: Mapping[str, Any]) -> str:
    """The label of the model that a comparison describes, which is told by its folder."""
    return next(label for label, graded in models.items() if str(graded.folder) == described["folder"])


def questions(models: Mapping[str, Graded]) -> str:
    """How many questions, and answers where they are more: "n = 1,319 questions"."""
    text = f"n = {several(g.results['n'] for g in models.values())} questions"
    given = answers(models) if any("answers" in g.results for g in models.values()) else ""
    return text + (f", {given} answers" if given else "")


def short(text: object) -> str:
    """A name that fits beside a plot: one line, without what an SVG may not hold."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", " ", str(text)).split()) or "(empty)"
    return line if len(line) <= LONGEST_LABEL else line[: LONGEST_LABEL - 1] + "…"


def answers(models: Mapping[str, Graded]) -> str:
    """How many answers: "1,319"."""
    return several(len(g.samples) for g in models.values())


def several(counts: Iterable[int]) -> str:
    """Numbers that are one where they are the same."""
    return ", ".join(dict.fromkeys(f"{count:,}" for count in counts))
