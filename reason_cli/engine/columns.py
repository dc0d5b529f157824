"""Columns of rows by name, nested ones too: `doc.answer` is within `doc`, `resps.0` is the first of a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reason_cli.errors import ReasonError, did_you_mean

MOST_LISTED = 30
DEEPEST = 4  # of columns that are listed


def value_at(row: Mapping[str, Any], column: str) -> Any:
    """What stands in a column; a name with a full stop in it counts before a nested one. Raises `KeyError`."""
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise KeyError(column)
    return value


def column_names(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """The names of everything in a row that is not nested, as `value_at` takes them; of a list its first item."""
    items = list(
        value.items() if isinstance(value, Mapping) else enumerate(value[:1]) if isinstance(value, list) else ()
    )
    if not items or depth == DEEPEST:
        yield name
        return
    for key, item in items:
        yield from column_names(item, f"{name}.{key}" if name else str(key), depth + 1)


def check_column(file: Path, row: Mapping[str, Any], column: str, flag: str) -> None:
    """Raise `ReasonError` unless a row of `file` has a column; `flag` is the option that names another."""
    try:
        value_at(row, column)
    except KeyError:
        known = list(column_names(row))
        some = ", ".join(known[:MOST_LISTED]) + (", …" if len(known) > MOST_LISTED else "")
        hint = f"{did_you_mean(column, known)}name one with {flag}: {some}"
        raise ReasonError(f"{file} has no column '{column}'", hint, usage=True) from None
