"""Rows of CSV and Parquet files, one at a time and in bounded memory. It knows nothing of what a row means."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from reason_cli.api import BadRow
from reason_cli.engine.lines import BUFFER, LONGEST, TOO_LONG, Row, Skip, numbered_lines, opened
from reason_cli.errors import ReasonError

DELIMITERS = ",;\t"
BATCH = 256  # parquet rows held at once


def _check_names(path: Path, names: Sequence[str]) -> None:
    """Every column needs a name of its own, or one would hide another."""
    if not all(name.strip() for name in names):
        number = next(n for n, name in enumerate(names, 1) if not name.strip())
        raise ReasonError(f"{path}: column {number} of {len(names)} has no name", "name every column in its header")
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise ReasonError(f"{path}: column '{twice[0]}' is there twice", "rename one of them in its header")


# --- CSV ---------------------------------------------------------------------------------------------------------


class CsvLines:
    """Feeds `csv.reader` with lines and knows of the record under way what the reader does not tell."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.lines = numbered_lines(file)
        self.number = 0
        self.begin()

    def begin(self) -> None:
        """A new record begins with the next line."""
        self.start = self.number + 1
        self.length = 0
        self.utf8 = True
        self.ended = False  # whether the reader asked for more than there was: only inside of quotes

    def __iter__(self) -> CsvLines:
        return self

    def __next__(self) -> str:
        number, line = next(self.lines, (self.number, b""))
        self.number = number
        if line == b"":
            self.ended = True
            raise StopIteration
        self.length += len(line or b"")
        if line is None or self.length > LONGEST:
            # Where the next record begins cannot be told any more.
            hint = "close its quotes, or leave the record out"
            raise ReasonError(f"{self.path}:{self.start}: the record is {TOO_LONG}", hint)
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.utf8 = False
            return line.decode(errors="surrogateescape")


def csv_rows(path: Path, skip: Skip) -> Iterator[Row]:
    """A header and then rows; fields stand between commas, semicolons or tabs, whichever the header has."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
    with opened(path) as file:
        lines = CsvLines(path, file)
        records = _records(lines)
        header = next(records, None)
        if header is None:
            raise ReasonError(f"{path} has no header", "name the columns in its first line")
        if isinstance(header, BadRow):
            raise ReasonError(f"cannot read the header of {path}: {header}", "mend its first line")
        _check_names(path, header)
        for record in records:
            if not skip.one():
                yield f"{path}:{lines.start}", _fields(header, record)


def _records(lines: CsvLines) -> Iterator[list[str] | BadRow]:
    """The records of a file, its header first. Blank lines are none."""
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return
    reader = csv.reader(chain([first], lines), delimiter=_delimiter(first))
    while True:
        try:
            record = next(reader, None)
        except csv.Error:  # the only ones left: length and quotes are looked after here
            yield BadRow("not CSV: a stray carriage return or a NUL byte")
        else:
            if record is None:
                return
            if lines.ended:
                hint = "close it, or double the quote if it belongs to the text"
                raise ReasonError(f"{lines.path}:{lines.start}: a quote opened here is never closed", hint)
            if record:
                yield record if lines.utf8 else BadRow("not UTF-8")
        lines.begin()


def _delimiter(header: str) -> str:
    """The one that cuts the header into the most fields."""

    def fields(delimiter: str) -> int:
        try:
            return len(next(csv.reader([header], delimiter=delimiter)))
        except csv.Error:  # said where the header is read
            return 0

    return max(DELIMITERS, key=fields)


def _fields(header: list[str], record: list[str] | BadRow) -> Mapping[str, str] | BadRow:
    if isinstance(record, BadRow):
        return record
    if len(record) != len(header):
        return BadRow(f"the row has {len(record)} of {len(header)} fields")
    return dict(zip(header, record, strict=True))


# --- Parquet -----------------------------------------------------------------------------------------------------


def parquet_rows(path: Path, skip: Skip) -> Iterator[Row]:
    """Rows in file order; row groups that are left out are not read."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        # Without both of these each row group is read whole, and many a file is one row group.
        with ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
            _check_names(path, file.schema_arrow.names)
            number, groups = _groups(file, skip)
            for batch in file.iter_batches(BATCH, row_groups=groups) if groups else ():
                out = skip.up_to(batch.num_rows)
                for place, row in enumerate(_batch_rows(batch.slice(out)), number + out + 1):
                    yield f"{path}:{place}", row
                number += batch.num_rows
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ReasonError(f"cannot read {path} as Parquet: {reason}", "fetch it again") from None


def _groups(file: Any, skip: Skip) -> tuple[int, list[int]]:
    """How many rows stand before the first row group that is needed, and the groups from there on."""
    before = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if skip.left < rows:
            return before, list(range(group, file.num_row_groups))
        before += skip.up_to(rows)
    return before, []


def _batch_rows(batch: Any) -> Iterator[Mapping[str, Any] | BadRow]:
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError):  # text that is not UTF-8, a date that Python does not have
        yield from (_one_row(batch.slice(n, 1)) for n in range(batch.num_rows))


def _one_row(batch: Any) -> Mapping[str, Any] | BadRow:
    try:
        return batch.to_pylist()[0]
    except UnicodeDecodeError:
        return BadRow("not UTF-8")
    except (ValueError, OverflowError) as error:
        return BadRow(f"cannot be read: {error}")
