"""Plots as figures of a page: matplotlib's SVG without what it repeats, in the page's own colours, dark or light."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from reason_cli.engine.page.markup import Html, element, table
from reason_cli.engine.plots.plot import Plot
from reason_cli.engine.plots.rendering import GRID, INK, PAPER, QUIET, SERIES

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

COLOURS = {INK: "--ink", QUIET: "--quiet", GRID: "--grid", PAPER: "--paper"}
COLOURS |= {shade: f"--s{n}" for n, shade in enumerate(SERIES)}
LINK = "{http://www.w3.org/1999/xlink}href"


class Sheet:
    """The styles that the figures of one page share: a class for each, since the page's policy forbids others."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}

    def figure(self, plot: Plot) -> Html:
        """A figure with its title, its caption and its numbers as a table."""
        drawn = element("div", Html(self._svg(plot)), class_="drawn")
        words = element("figcaption", element("h3", plot.title), element("p", plot.caption))
        numbers = element(
            "details", element("summary", "Numbers"), table(plot.title, plot.columns, plot.numbers, "numbers")
        )
        return element("figure", words, drawn, numbers, id=f"plot-{plot.name}")

    def css(self) -> str:
        """The rules of all classes that the figures use."""
        return "".join(f".{name}{{{style}}}\n" for style, name in self._classes.items())

    def _svg(self, plot: Plot) -> str:
        root = ElementTree.fromstring(plot.svg())
        for parent in list(root.iter()):
            for child in [c for c in parent if _name(c) in ("metadata", "style")]:
                parent.remove(child)
        used = {name for node in root.iter() for name in _references(node)}
        ids = {name: f"{plot.name}-{n}" for n, name in enumerate(sorted(used))}
        for node in root.iter():
            node.tag = _name(node)
            self._rewrite(node, ids)
        for name in ("width", "height", "version"):
            root.attrib.pop(name, None)
        root.attrib |= {"role": "img", "aria-label": f"{plot.title}. {plot.caption}"}
        return re.sub(r"\s*\n\s*", " ", ElementTree.tostring(root, encoding="unicode"))

    def _rewrite(self, node: Element, ids: dict[str, str]) -> None:
        """Names of this plot alone, and a class in place of a style."""
        own = ids.get(node.attrib.pop("id", ""))
        style = _style(node.attrib.pop("style", ""))
        link = node.attrib.pop(LINK, None)
        node.attrib |= {key: _numbers(value) for key, value in node.attrib.items() if key in ("d", "x", "y")}
        if "clip-path" in node.attrib:
            node.attrib["clip-path"] = f"url(#{ids[node.attrib['clip-path'][5:-1]]})"
        if link:
            node.attrib["href"] = f"#{ids[link[1:]]}"
        if own:
            node.attrib["id"] = own
        if style:
            node.attrib["class"] = self._classes.setdefault(style, f"d{len(self._classes)}")


def _name(node: Element) -> str:
    return str(node.tag).rpartition("}")[2]


def _references(node: Element) -> list[str]:
    """The ids that a node points to."""
    clip, link = node.attrib.get("clip-path", ""), node.attrib.get(LINK, "")
    return [clip[5:-1]] * bool(clip) + [link[1:]] * bool(link)


def _style(style: str) -> str:
    """The style in the page's colours and the page's font."""
    kept = [part for part in map(str.strip, style.split(";")) if part and not part.startswith("font-family")]
    return re.sub(r"#[0-9a-f]{6}", lambda m: f"var({COLOURS[m[0]]})" if m[0] in COLOURS else m[0], ";".join(kept))


def _numbers(text: str) -> str:
    """Coordinates to a hundredth of a point."""
    return re.sub(r"-?\d+\.\d+", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), text)
