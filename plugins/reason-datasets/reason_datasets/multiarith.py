"""`multiarith`: word problems that take several steps.

The files and their 420 and 180 rows are from the hub's listing, the columns from code that loads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reason_cli import Example
from reason_datasets.fields import number_of, text_of


def read(row: Mapping[str, Any], options: Any) -> Example:
    """What a row says."""
    return Example(text_of(row, "question"), "", number_of(row, "final_ans"))
