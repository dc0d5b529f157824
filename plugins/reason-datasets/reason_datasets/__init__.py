"""Datasets that `reason` knows by name."""

from __future__ import annotations

from collections.abc import Iterable

from reason_cli import DatasetFormatter, hookimpl
from reason_datasets.word_problems import WordProblems


@hookimpl
def register_datasets() -> Iterable[DatasetFormatter]:
    """The formatters of this plugin."""
    return [WordProblems()]
