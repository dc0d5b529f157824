"""What is imported when it is first asked for, so that listing datasets stays quick."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

from reason_cli import DatasetFormatter, Item


class _Late:
    """A class attribute that stands in another module."""

    def __init__(self, module: str, name: str) -> None:
        self.module = module
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return getattr(import_module(f"reason_datasets.{self.module}"), self.name)


def late(place: str) -> Any:
    """The `name` of a module of this package, as a class attribute: `late("gsm8k:read")`."""
    module, _, name = place.partition(":")
    return _Late(module, name)


class Published(DatasetFormatter):
    """A dataset whose rows are read by a function of a module of its own, imported when there are rows."""

    read: ClassVar[Any]  # (row, options) -> Item | None

    def format(self, row: Any, options: Any) -> Item | None:
        """What a row says."""
        item: Item | None = self.read(row, options)
        return item
