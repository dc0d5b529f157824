"""The plugin hands over its formatters, cheaply."""

from __future__ import annotations

import subprocess
import sys

import reason_datasets


def test_every_formatter_is_registered_once() -> None:
    names = [formatter.name for formatter in reason_datasets.register_datasets()]
    assert names == ["gsm8k", "word-problems", "gsm-symbolic", "jsonl"]


def test_the_hook_imports_nothing_heavy() -> None:
    code = (
        "import sys, reason_datasets; reason_datasets.register_datasets();"
        "print([m for m in ('torch', 'transformers', 'datasets', 'reasoning_gym') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
