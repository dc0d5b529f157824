"""Rows of JSON files, one at a time: JSON lines in bounded memory, whole JSON documents.

Also what every row file shares: what a row is, how rows are left out, how bytes are opened and cut into lines.
It knows neither folders nor what a row means. A file that breaks off raises what the reading raised (`OSError`,
`EOFError`, `zlib.error`); `reason_cli.engine.files` words it.
"""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, cast

from reason_cli.api import BadRow
from reason_cli.errors import ReasonError

LONGEST = 16 * 2**20  # bytes of a line, or of a CSV record: what is longer is damage, not data
TOO_LONG = "longer than 16 MiB"
BUFFER = 2**20
BOM = b"\xef\xbb\xbf"
HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # half of a pair; alone it is no character, and no tokenizer takes it
CONVERSATIONS = ("messages", "conversations")  # an object with one of these is a row, not a wrapper around rows

Row = tuple[str, Mapping[str, Any] | BadRow]  # where it stands, and what it is or the BadRow that took its place


@dataclass
class Skip:
    """How many rows are still to be left out; one counter for all files of a folder."""

    left: int

    def up_to(self, rows: int) -> int:
        """How many of the next `rows` rows are left out; they are counted as passed."""
        out = min(rows, self.left)
        self.left -= out
        return out

    def one(self) -> bool:
        """Whether the next row is left out."""
        return self.up_to(1) == 1


def opened(path: Path) -> BinaryIO:
    """The bytes of a file, `.gz` unpacked on the way."""
    if path.suffix.lower() != ".gz":
        return path.open("rb", buffering=BUFFER)
    if not path.stat().st_size:
        raise EOFError("an empty file")  # gzip itself takes it for zero rows
    # GzipFile's own readline is Python; the buffer's is C, and several times as fast.
    return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(path, "rb")), BUFFER)


def blank(data: bytes) -> bool:
    return not data or data.isspace()


def numbered_lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Lines with their numbers from 1; `None` for one over `LONGEST`, which is passed over and never held whole."""
    for number in count(1):
        line = file.readline(LONGEST + 1)
        if not line:
            return
        if len(line) > LONGEST and not line.endswith(b"\n"):
            del line
            _pass_line(file)
            yield number, None
        else:
            yield number, line.removeprefix(BOM) if number == 1 else line


def _pass_line(file: BinaryIO) -> None:
    while (rest := file.readline(BUFFER)) and not rest.endswith(b"\n"):
        pass


# --- JSON lines --------------------------------------------------------------------------------------------------


def json_lines(path: Path, skip: Skip) -> Iterator[Row]:
    """One object a line. Blank lines are no rows; lines that are left out are not parsed."""
    with opened(path) as file:
        for number, line in numbered_lines(file):
            if line is not None and blank(line):
                continue
            if not skip.one():
                yield f"{path}:{number}", _line_row(line)


def _line_row(line: bytes | None) -> Mapping[str, Any] | BadRow:
    if line is None:
        return BadRow(f"the line is {TOO_LONG}")
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        return BadRow("not UTF-8")
    except (ValueError, RecursionError) as error:
        return BadRow(f"not JSON: {error}")
    return _row(value, halves=HALF.search(line) is not None)


def _row(value: Any, *, halves: bool) -> Mapping[str, Any] | BadRow:
    """A parsed value as a row; `halves` says whether half characters are to be looked for."""
    if not isinstance(value, dict):
        return BadRow(f"a JSON object is needed, this is {type(value).__name__}")
    if halves:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return BadRow("half a character (a lone surrogate)")
        except RecursionError:
            return BadRow("nested too deep")
    return value


# --- JSON documents ----------------------------------------------------------------------------------------------


def json_document(path: Path, skip: Skip) -> Iterator[Row]:
    """The rows of a `.json` file: an array of objects, an object that holds one, or one object.

    The document is read whole, several times its size in memory: big data should be `.jsonl`.
    A file that is JSON lines under another name is read as such.
    """
    if _holds_lines(path):
        yield from json_lines(path, skip)
        return
    with opened(path) as file:
        data = file.read()
    halves = HALF.search(data) is not None
    for number, item in enumerate(_items(path, _parse(path, data)), 1):
        if not skip.one():
            yield f"{path}:{number}", _row(item, halves=halves)


def _holds_lines(path: Path) -> bool:
    """Whether the first line is an object of its own and something follows it: no JSON document looks so."""
    with opened(path) as file:
        first = next((line for _, line in numbered_lines(file) if line is None or not blank(line)), None)
        if first is None or not first.lstrip().startswith(b"{") or not first.endswith(b"\n"):
            return False
        if all(blank(rest) for rest in iter(lambda: file.read(BUFFER), b"")):
            return False
    return not isinstance(_line_row(first), BadRow)


def _parse(path: Path, data: bytes) -> Any:
    try:
        return json.loads(data.removeprefix(BOM).decode())
    except UnicodeDecodeError:
        raise ReasonError(f"{path} is not UTF-8", "save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise ReasonError(
            f"{path} is not JSON: {error}", "mend it, or name it .jsonl if each line is an object"
        ) from None


def _items(path: Path, value: Any) -> list[Any]:
    """The rows that a document holds."""
    if isinstance(value, dict):
        arrays = [key for key in value if _holds_objects(value[key])]
        if not arrays or any(key in value for key in CONVERSATIONS):
            return [value]
        if len(arrays) > 1:
            raise ReasonError(
                f"{path} holds {len(arrays)} arrays of objects: {', '.join(map(repr, arrays))}",
                "put each into a file of its own",
            )
        return cast(list, value[arrays[0]])
    if value == [] or _holds_objects(value):
        return cast(list, value)
    raise ReasonError(f"{path} holds no objects", "make it an array of objects, or one object a line in a .jsonl file")


def _holds_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)
