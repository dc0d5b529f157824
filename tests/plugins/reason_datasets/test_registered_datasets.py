"""The plugin hands over its formatters, cheaply."""

from __future__ import annotations

import subprocess
import sys

import reason_datasets


def test_every_formatter_is_registered_once() -> None:
    names = [formatter.name for formatter in reason_datasets.register_datasets()]
    assert names == [
        *("word-problems", "gsm-symbolic", "reasoning-gym", "sudoku", "maze"),
        *("gsm8k", "gsm-hard", "svamp", "asdiv", "multiarith", "math", "squad-v2"),
        *("mathinstruct", "metamath", "openmathinstruct", "numinamath-cot5m", "ultrachat"),
        *("the-stack-dedup", "github-code", "columns"),
    ]


def test_the_extractor_is_registered() -> None:
    assert [extractor.name for extractor in reason_datasets.register_extractors()] == ["reasoning-gym", "grid"]


def test_the_hooks_import_nothing_heavy_and_no_code_that_reads_rows() -> None:
    code = (
        "import sys, reason_datasets as d; d.register_datasets(); d.register_extractors();"
        "heavy = ('torch', 'transformers', 'datasets', 'reasoning_gym', 'decimal', 'fractions', 'random');"
        "print([m for m in (*heavy, 'reason_datasets.gsm8k', 'reason_datasets.schema') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
