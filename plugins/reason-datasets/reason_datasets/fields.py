"""Reading the fields of a row, with reasons that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reason_cli import BadRow


def value_of(row: Mapping[str, Any], key: str) -> Any:
    """The row's value under `key`, which must be there."""
    if not isinstance(row, Mapping):
        raise BadRow(f"the row is a {type(row).__name__}, not an object")
    if key not in row:
        present = ", ".join(map(str, row)) or "none"
        raise BadRow(f"no column {key!r}; the columns are: {present}")
    return row[key]


def text_of(row: Mapping[str, Any], key: str) -> str:
    """The row's text under `key`, which must not be blank."""
    value = value_of(row, key)
    if not isinstance(value, str):
        raise BadRow(f"column {key!r} is a {type(value).__name__}, not text")
    if not value.strip():
        raise BadRow(f"column {key!r} is empty")
    return value.strip()


def whole_number_of(row: Mapping[str, Any], key: str) -> int:
    """The row's whole number under `key`."""
    value = value_of(row, key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRow(f"column {key!r} is a {type(value).__name__}, not a whole number")
    return value
