"""How the engine tells what it is doing. It knows no terminal: the command line implements `Reporter`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Reporter(Protocol):
    """What long work says while it runs."""

    def say(self, text: str) -> None:
        """One line that a person should see, now and in a log."""

    def warn(self, text: str) -> None:
        """One line about something that went otherwise than asked."""

    def start(self, title: str, total: float) -> None:
        """A stretch of work of `total` units begins."""

    def update(self, done: float, figures: Mapping[str, str]) -> None:
        """So many units are done; `figures` are a few short facts to show beside the bar."""

    def finish(self) -> None:
        """The stretch of work has ended."""


class Silent:
    """A `Reporter` that says nothing."""

    def say(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def start(self, title: str, total: float) -> None: ...

    def update(self, done: float, figures: Mapping[str, str]) -> None: ...

    def finish(self) -> None: ...
