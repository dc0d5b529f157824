"""Rows from local files and folders, one at a time and in bounded memory, from any row on.

A row that cannot be read is yielded as a `BadRow` in its place; a file that cannot be read is a `ReasonError`.
What rows mean is not known here, nor how many bad ones are too many.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from pathlib import Path

from reason_cli.api import BadRow
from reason_cli.engine.lines import BOM, BUFFER, Row, Skip, blank, json_document, json_lines
from reason_cli.engine.tables import csv_rows, parquet_rows
from reason_cli.errors import ReasonError

READERS: dict[str, Callable[[Path, Skip], Iterator[Row]]] = {
    ".jsonl": json_lines,
    ".json": json_document,
    ".csv": csv_rows,
    ".parquet": parquet_rows,
    ".jsonl.gz": json_lines,
    ".json.gz": json_document,
    ".csv.gz": csv_rows,
}
SUFFIXES = tuple(READERS)  # files of rows
TEXTS = (".txt", ".md", ".py")  # files that are one row each: {"text": …, "path": …}
LARGEST_TEXT = 256 * 2**20  # bytes; a text is held whole
ENDINGS = ", ".join((*SUFFIXES, *TEXTS))


def rows(path: Path, skip: int = 0) -> Iterator[Row]:
    """All rows of a file or folder but the first `skip`, which are passed over as cheaply as the format allows.

    `rows(path, k)` yields what `rows(path)` yields from its row k on, places included. Places are `path:LINE`
    (`path:ROW` in JSON arrays and Parquet), or the path alone for a text. Raises `ReasonError` when it comes to
    a file that cannot be read.
    """
    left = Skip(skip)
    folder, names = _found(path)
    for name in names:
        with _worded(folder / name):
            yield from _file_rows(folder / name, name, left)


def size(path: Path) -> int:
    """The bytes of a file, or of the files of a folder that `rows` would read."""
    folder, names = _found(path)
    with _worded(path):
        return sum((folder / name).stat().st_size for name in names)


def _ending(name: str) -> str:
    """The ending by which a file is read, empty if by none."""
    return next((ending for ending in (*SUFFIXES, *TEXTS) if name.lower().endswith(ending)), "")


def _file_rows(file: Path, name: str, skip: Skip) -> Iterator[Row]:
    reader = READERS.get(_ending(name))
    return reader(file, skip) if reader else _text_row(file, name, skip)


@contextmanager
def _worded(path: Path) -> Iterator[None]:
    """What goes wrong while a file is read, as one line for people."""
    try:
        yield
    except EOFError:
        raise ReasonError(f"{path} ends early: the gzip file is truncated", "fetch it again") from None
    except (BadGzipFile, zlib.error) as error:
        raise ReasonError(f"{path} is damaged: not a whole gzip file ({error})", "fetch it again") from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__  # Arrow's own text is long
        named = error.filename or path
        raise ReasonError(f"cannot read {named}: {reason}", "check the path and its permissions") from None


# --- folders -----------------------------------------------------------------------------------------------------


def _found(path: Path) -> tuple[Path, list[str]]:
    """The folder that `path` is or is in, and the files to read there, in order."""
    with _worded(path):
        path.stat()
        if path.is_dir():
            return path, _one_kind(path, sorted(_walk(path)))
    if not _ending(path.name):
        raise ReasonError(f"cannot tell what {path} holds by its name", f"it should end with one of {ENDINGS}")
    return path.parent, [path.name]


def _one_kind(folder: Path, names: list[str]) -> list[str]:
    """The files of a folder, which must be texts or rows: one `--dataset` is one kind of data."""
    if not names:
        raise ReasonError(f"folder {folder} holds no readable file", f"put one in that ends with {ENDINGS}")
    text = next((name for name in names if _ending(name) in TEXTS), None)
    other = next((name for name in names if _ending(name) not in TEXTS), None)
    if text and other:
        raise ReasonError(
            f"folder {folder} mixes texts and rows: {text} and {other}", "pass one file, or a folder with one kind"
        )
    return names


def _walk(top: Path) -> Iterator[str]:
    """Paths below `top`, written with "/"; what is hidden is left out, and what links lead to twice is read once."""
    seen = {os.path.realpath(top)}
    for folder, folders, files in os.walk(top, onerror=_raise, followlinks=True):
        shown: dict[str, str] = {}
        for name in sorted(folders):
            if name[0] != ".":
                shown.setdefault(os.path.realpath(os.path.join(folder, name)), name)
        folders[:] = [name for place, name in shown.items() if place not in seen]
        seen |= shown.keys()
        below = Path(folder).relative_to(top)
        yield from ((below / name).as_posix() for name in files if name[0] != "." and _ending(name))


def _raise(error: OSError) -> None:
    raise error


# --- texts -------------------------------------------------------------------------------------------------------


def _text_row(file: Path, name: str, skip: Skip) -> Iterator[Row]:
    """The one row of a text file; none if it is blank."""
    row: dict[str, str] | BadRow
    large = file.stat().st_size > LARGEST_TEXT
    if (not large and _blank(file)) or skip.one():
        return
    try:
        row = BadRow("the file is larger than 256 MiB") if large else {"text": _text(file), "path": name}
    except UnicodeDecodeError:
        row = BadRow("not UTF-8")
    yield str(file), row


def _blank(file: Path) -> bool:
    """Whether a file holds nothing but white space; read only as far as needed."""
    with file.open("rb") as data:
        start = data.read(len(BOM)).removeprefix(BOM)
        return blank(start) and all(blank(part) for part in iter(lambda: data.read(BUFFER), b""))


def _text(file: Path) -> str:
    return file.read_bytes().removeprefix(BOM).decode()
