"""Pieces of HTML made from texts that may hold anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """Text that is markup already: it goes into a page as it stands."""


def element(name: str, *inside: object, **attributes: object) -> Html:
    """An element; what is inside is escaped unless it is `Html`. `class_` is `class`, `aria_label` is `aria-label`."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"' for key, value in attributes.items() if value != ""
    )
    return Html(f"<{name}{said}>{join(inside)}</{name}>")


def join(parts: Iterable[object]) -> Html:
    """The parts one after the other, escaped unless they are `Html`."""
    return Html("".join(part if isinstance(part, Html) else _escaped(part) for part in parts))


def table(caption: str, columns: Sequence[object], rows: Iterable[Sequence[object]], class_: str = "") -> Html:
    """A table whose first column names its rows; the caption is for those who hear the page."""
    heads = element("tr", *(element("th", column, scope="col") for column in columns))
    lines = [
        element("tr", element("th", first, scope="row"), *(element("td", cell) for cell in rest))
        for first, *rest in rows
    ]
    inside = element("caption", caption), element("thead", heads), element("tbody", *lines)
    scrolls = {"class_": "scroll", "tabindex": 0, "role": "region", "aria_label": caption}
    return element("div", element("table", *inside, class_=class_), **scrolls)


def _escaped(value: object) -> str:
    """Half a surrogate pair, which no file can hold, becomes a question mark."""
    return escape(str(value).encode("utf-8", "replace").decode())
