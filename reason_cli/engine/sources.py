"""Where examples come from: a local folder, a file, the hub or a generator, read row by row.

A row that cannot be read is named as file:line with the reason and counted; too many of them stop the run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from reason_cli.api import BadRow, DatasetFormatter, Example, Text
from reason_cli.engine.hub import ready
from reason_cli.engine.report import Reporter
from reason_cli.errors import ReasonError, did_you_mean

SPEC = r"(?P<name>(?:[^@]|@(?=.*[/\\.]))+?)(?::(?P<split>[\w-]+))?(?:@(?P<take>0*[1-9]\d*))?"
MOST_BAD = 0.05  # share of unreadable rows above which a dataset is not worth training on


@dataclass(frozen=True)
class Spec:
    """`NAME[:SPLIT][@N]`, taken apart; `name` is a dataset's or a file's, `take` 0 means all."""

    name: str
    split: str
    take: int

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Raises `ReasonError` for an empty name or a count that is none."""
        match = re.fullmatch(SPEC, text)
        if not match:
            raise ReasonError(f"cannot read dataset '{text}'", "write it as NAME[:SPLIT][@N]", usage=True)
        return cls(match["name"], match["split"] or "", int(match["take"] or 0))


@dataclass(frozen=True)
class Source:
    """A dataset's rows, ready to be read: which formatter, which options, which split, how many."""

    spec: Spec
    formatter: DatasetFormatter
    options: Any
    split: str
    data_folder: Path | None = None  # REASON_DATA

    @property
    def endless(self) -> bool:
        """Whether rows are made on the spot, so that someone must say how many."""
        return not self.formatter.hub and not self.formatter.suffixes

    @property
    def label(self) -> str:
        return f"{self.spec.name}:{self.split}" if self.split else self.spec.name


def make_source(
    spec: Spec, formatter: DatasetFormatter, options: Any, default_split: str, data_folder: Path | None
) -> Source:
    """A `Source` with its split chosen. Raises `ReasonError` for a split that the dataset does not have."""
    if formatter.suffixes:
        if spec.split:
            raise ReasonError(f"'{spec.name}' is a file and has no split '{spec.split}'", "leave it out", usage=True)
        if not Path(spec.name).is_file():
            raise ReasonError(f"no file '{spec.name}'", "check the path", usage=True)
        return Source(spec, formatter, options, "")
    split = spec.split or default_split
    if split not in formatter.splits:
        hint = f"{did_you_mean(split, formatter.splits)}it has {', '.join(formatter.splits)}"
        raise ReasonError(f"dataset '{formatter.name}' has no split '{split}'", hint, usage=True)
    return Source(spec, formatter, options, split, data_folder)


@dataclass
class Loaded:
    """What a source gave: examples, and what was left out and why."""

    source: Source
    items: list[Example | Text] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    left_out: int = 0
    fingerprint: str = ""

    def summary(self) -> dict[str, Any]:
        """What `run.toml` and `results.json` keep of a dataset."""
        return {
            "dataset": self.source.label,
            "rows": len(self.items),
            "bad_rows": len(self.bad),
            "left_out": self.left_out,
            "sha256": self.fingerprint,
        }


def load(source: Source, *, take: int, seed: int, refuse_bad: bool, report: Reporter) -> Loaded:
    """Read a source to its end, or to `take` examples where that is over 0.

    Raises `ReasonError` when there are none, when more than 5% of the rows are bad, or at the first bad row
    if `refuse_bad`.
    """
    loaded = Loaded(source)
    digest = hashlib.sha256()
    for item in islice(_items(source, seed, refuse_bad, loaded), take or None):
        loaded.items.append(item)
        digest.update(repr(item).encode())
    loaded.fingerprint = digest.hexdigest()
    _judge(loaded, take, report)
    return loaded


def _items(source: Source, seed: int, refuse_bad: bool, loaded: Loaded) -> Iterator[Example | Text]:
    for where, row in _rows(source, seed):
        try:
            if isinstance(row, BadRow):
                raise row
            item = source.formatter.format(row, source.options)
        except BadRow as error:
            loaded.bad.append(f"{where}: {error}")
            if refuse_bad:
                raise ReasonError(f"bad row at {loaded.bad[-1]}", "mend it, or --bad-rows skip") from None
            continue
        if item is None:
            loaded.left_out += 1
        else:
            yield item


def _judge(loaded: Loaded, take: int, report: Reporter) -> None:
    """Refuse what is not worth using; say what was skipped."""
    name, good, bad = loaded.source.label, len(loaded.items), len(loaded.bad)
    if bad > MOST_BAD * (good + bad):
        raise ReasonError(
            f"{bad} of {good + bad} rows of '{name}' cannot be read, the first at {loaded.bad[0]}",
            f"mend the data: more than {MOST_BAD:.0%} bad rows stop the run",
        )
    if not good:
        raise ReasonError(f"dataset '{name}' has no rows", "check the file, or choose another split")
    if bad:
        report.warn(f"{name}: skipped {bad} of {good + bad} rows, the first at {loaded.bad[0]}")
    if take and good < take:
        report.warn(f"{name}: {take} rows were asked for, it has {good}")


# --- rows --------------------------------------------------------------------------------------------------

Row = tuple[str, Any]  # where it stands, and what it is: a mapping, or the BadRow that took its place


def _rows(source: Source, seed: int) -> Iterator[Row]:
    formatter = source.formatter
    if formatter.suffixes:
        return _file_rows(Path(source.spec.name))
    made = formatter.generate(source.split, seed, source.options)
    if made is not None:
        return ((f"{source.label}:{n}", row) for n, row in enumerate(made, 1))
    local = source.data_folder / formatter.name / f"{source.split}.jsonl" if source.data_folder else None
    if local and local.is_file():
        return _file_rows(local)
    return _hub_rows(source)


def _file_rows(path: Path) -> Iterator[Row]:
    """The rows of a JSON-lines file. Blank lines are no rows."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}:{number}", _json_row(line)
    except OSError as error:
        raise ReasonError(f"cannot read {path}: {error.strerror}") from None


def _json_row(line: bytes) -> Mapping[str, Any] | BadRow:
    try:
        row = json.loads(line)
    except UnicodeDecodeError:
        return BadRow("not UTF-8")
    except (ValueError, RecursionError) as error:
        return BadRow(f"not JSON: {error}")
    return row if isinstance(row, dict) else BadRow(f"a JSON object is needed, this is {type(row).__name__}")


def _hub_rows(source: Source) -> Iterator[Row]:
    from datasets import load_dataset

    hub = source.formatter.hub
    if hub is None:
        raise ReasonError(f"dataset '{source.formatter.name}' has no rows anywhere", "tell the plugin's author")
    ready()
    try:
        rows = load_dataset(hub.id, hub.config or None, split=hub.splits[source.split])
    except Exception as error:  # the hub's clients raise a dozen kinds for "not there" and "not reachable"
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ReasonError(
            f"dataset '{source.formatter.name}' cannot be had from the hub ({hub.id}): {reason}",
            f"put {source.formatter.name}/{source.split}.jsonl into a folder and set REASON_DATA to it, "
            "or go online once so that it is cached",
        ) from None
    return ((f"{hub.id}:{n}", row) for n, row in enumerate(rows, 1))
