"""`gsm-hard`: GSM8K's test questions with larger numbers, and what a program made of them.

The target is a float: 51.0 is the answer 51, and 3244047.0999999996 stays what it is. The hub calls its one split
`train` (from code that loads it; the columns are those of the authors' `gsmhardv2.jsonl`, whose rows were read).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reason_cli import Example
from reason_datasets.fields import number_of, text_of


def read(row: Mapping[str, Any], options: Any) -> Example:
    """What a row says."""
    return Example(text_of(row, "input"), "", number_of(row, "target"))
