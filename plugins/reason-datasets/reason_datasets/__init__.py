"""Datasets that `reason` knows by name."""

from __future__ import annotations

from collections.abc import Iterable

from reason_cli import DatasetFormatter, hookimpl
from reason_datasets.gsm8k import GSM8K
from reason_datasets.gsm_symbolic import GSMSymbolic
from reason_datasets.jsonl import Jsonl
from reason_datasets.word_problems import WordProblems


@hookimpl
def register_datasets() -> Iterable[DatasetFormatter]:
    """The formatters of this plugin."""
    return [GSM8K(), WordProblems(), GSMSymbolic(), Jsonl()]
