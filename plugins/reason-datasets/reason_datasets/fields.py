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
    return document_of(row, key).strip()


def document_of(row: Mapping[str, Any], key: str) -> str:
    """The row's text under `key` as it stands, its first and last spaces too; it must not be blank."""
    value = value_of(row, key)
    if not isinstance(value, str):
        raise BadRow(f"column {key!r} is a {type(value).__name__}, not text")
    if not value.strip():
        raise BadRow(f"column {key!r} is empty")
    return value


def whole_number_of(row: Mapping[str, Any], key: str) -> int:
    """The row's whole number under `key`."""
    value = value_of(row, key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRow(f"column {key!r} is a {type(value).__name__}, not a whole number")
    return value


def verdict_of(row: Mapping[str, Any], key: str) -> bool:
    """The row's yes or no under `key`."""
    value = value_of(row, key)
    if not isinstance(value, bool):
        raise BadRow(f"column {key!r} is a {type(value).__name__}, not true or false")
    return value


def written_of(row: Mapping[str, Any], key: str) -> str:
    """The row's text or number under `key`, as exact text: 51.0 is 51, and 1e21 has no exponent."""
    value = value_of(row, key)
    if isinstance(value, str):
        return text_of(row, key)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    from decimal import Decimal

    number = Decimal(repr(value)) if isinstance(value, float) else value
    if not isinstance(number, Decimal) or not number.is_finite():
        kind = "null" if value is None else "not finite" if isinstance(value, float) else type(value).__name__
        raise BadRow(f"column {key!r} is {kind}, not text or a number")
    return shortest(format(number or Decimal(0), "f"))  # nothing has no sign


def number_of(row: Mapping[str, Any], key: str) -> str:
    """The row's number under `key`, as exact text; it may stand there as text, such as `51.0` or `1,024`."""
    import re

    text = written_of(row, key)
    if not re.fullmatch(r"-?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)", text, re.ASCII):
        raise BadRow(f"column {key!r} is no number: {text[:40]!r}")
    return shortest(text.replace(",", ""))


def tags_of(row: Mapping[str, Any], *keys: str) -> dict[str, str | int]:
    """Those of the columns that hold a word, as facts about the question."""
    return {key.lower(): row[key].strip() for key in keys if isinstance(row.get(key), str) and row[key].strip()}


def shortest(digits: str) -> str:
    """A decimal number without zeros at its end: 51.0 is 51."""
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
