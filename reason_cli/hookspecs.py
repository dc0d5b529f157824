"""Every extension point of `reason`, typed, with its contract.

A plugin is a module with functions of these names, each marked with `reason_cli.hookimpl`, found through
the entry point group `reason_cli`. Hooks are called once, at start: they must be cheap, without torch and
without input or output. What is expensive belongs inside the methods of the objects they return.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

from reason_cli.api import AnswerExtractor, Architecture, DatasetFormatter, Exporter

if TYPE_CHECKING:
    import click

GROUP = "reason_cli"

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def register_architectures() -> Iterable[Architecture]:  # type: ignore[empty-body]
    """Architectures that `reason train --arch` accepts, by their names and their presets' names."""


@hookspec
def register_datasets() -> Iterable[DatasetFormatter]:  # type: ignore[empty-body]
    """Datasets that `reason train --dataset` and `reason eval` accept."""


@hookspec
def register_extractors() -> Iterable[AnswerExtractor]:  # type: ignore[empty-body]
    """Answer extractors, named by dataset formatters."""


@hookspec
def register_exporters() -> Iterable[Exporter]:  # type: ignore[empty-body]
    """Formats that `reason export` writes, by their names."""


@hookspec
def register_commands() -> Iterable[click.Command]:  # type: ignore[empty-body]
    """Subcommands of the plugin's own; `reason` dispatches to them as to its own."""
