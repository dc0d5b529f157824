"""Rows to items: read, formatted, counted. A row that cannot be read is named as file:line with the reason."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from reason_cli.api import BadRow, Chat, DatasetFormatter, Example, Hub, Item, Text
from reason_cli.engine import files, hub
from reason_cli.engine.chat import answers_somebody
from reason_cli.engine.held_out import key_of
from reason_cli.engine.hub import Unreachable
from reason_cli.engine.report import Reporter
from reason_cli.engine.sources import Source
from reason_cli.errors import ReasonError

MOST_BAD = 0.05  # share of unreadable rows above which a dataset is not worth training on
FIRST_ROWS = 100  # rows that a schema is told from
KEYS = 2**64


@dataclass
class Tally:
    """What became of the rows that were read: how many good ones, the bad ones and why, and those left out.

    Where `counts` is given, the formatter's own counts of good rows are added up in it.
    """

    rows: int = 0
    good: int = 0
    left_out: int = 0
    bad: list[str] = field(default_factory=list)
    counts: Counter[str] | None = None

    def judge(self, name: str) -> None:
        """Refuse a dataset with too many bad rows."""
        bad = len(self.bad)
        if bad > MOST_BAD * (self.good + bad):
            raise ReasonError(
                f"{bad} of {self.good + bad} rows of '{name}' cannot be read, the first at {self.bad[0]}",
                f"mend the data: more than {MOST_BAD:.0%} bad rows stop the run",
            )


@dataclass
class Loaded:
    """What a source gave: its items, what became of its rows, and which source it stands in for, if for one."""

    source: Source
    items: list[Item] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    instead_of: str = ""
    fingerprint: str = ""
    cleaned: dict[str, Any] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """What `run.toml` and `results.json` keep of a dataset."""
        return {
            "dataset": self.source.label,
            **({"instead_of": self.instead_of} if self.instead_of else {}),
            "rows": len(self.items),
            "bad_rows": len(self.tally.bad),
            "left_out": self.tally.left_out,
            **self.cleaned,
            "sha256": self.fingerprint,
        }


def load(source: Source, *, take: int, seed: int, refuse_bad: bool, report: Reporter) -> Loaded:
    """Read a source to its end, or to `take` items where that is over 0.

    Raises `ReasonError` when there are none, when more than 5% of the rows are bad, or at the first bad row
    if `refuse_bad`.
    """
    settled, instead_of = settle(source, seed, report)
    loaded = Loaded(settled, instead_of=instead_of)
    digest = hashlib.sha256()
    numbered = read(settled, seed, loaded.tally, refuse_bad=refuse_bad)
    for _, item in islice(numbered, take or None):
        loaded.items.append(item)
        digest.update(repr(item).encode())
    loaded.fingerprint = digest.hexdigest()
    _judge(loaded, take, report)
    return loaded


def _judge(loaded: Loaded, take: int, report: Reporter) -> None:
    """Refuse what is not worth using; say what was skipped."""
    name, tally = loaded.source.label, loaded.tally
    tally.judge(name)
    good, bad = tally.good, len(tally.bad)
    if not good:
        raise ReasonError(f"dataset '{name}' has no rows", "check the file, or choose another split")
    if bad:
        report.warn(f"{name}: skipped {bad} of {good + bad} rows, the first at {tally.bad[0]}")
    if take and good < take:
        report.warn(f"{name}: {take} rows were asked for, it has {good}")


# --- before the first row ----------------------------------------------------------------------------------------


def settle(source: Source, seed: int, report: Reporter) -> tuple[Source, str]:
    """(the source that will be read, the label of the one it stands in for or nothing).

    A source that cannot be had gives way to a mirror or to its fallback, said aloud; then the schema is told from
    the first rows, and said. Raises `ReasonError` when there is nothing to be had.
    """
    found, first, instead_of = _reached(source, seed, report)
    found = replace(found, options=_fitted(found, [row for _, row in first if not isinstance(row, BadRow)]))
    schema = found.formatter.describe(found.options)
    if schema:
        report.say(f"{found.label}: {schema}")
    return found, instead_of


def _fitted(source: Source, rows: list[Mapping[str, Any]]) -> Any:
    try:
        return source.formatter.fit(rows, source.options)
    except ReasonError as error:
        raise ReasonError(f"{source.label}: {error.message}", error.hint) from None


def _reached(source: Source, seed: int, report: Reporter) -> tuple[Source, list[Row], str]:
    """The source or what takes its place, its first rows, and whose place that is."""
    try:
        return *_first_mirror(source, seed, report), ""
    except Unreachable as error:
        if source.fallback is None:
            raise
        report.warn(f"{error.message}; {source.fallback.label} is taken in the place of {source.label}")
        found, first, _ = _reached(source.fallback, seed, report)
        return replace(found, weight=source.weight), first, source.label


def _first_mirror(source: Source, seed: int, report: Reporter) -> tuple[Source, list[Row]]:
    if not isinstance(source.place, Hub):
        return source, _first_rows(source, seed)
    missing: Unreachable | None = None
    for place in (source.place, *source.place.mirrors):
        there = replace(source, place=place)
        try:
            first = _first_rows(there, seed)
        except Unreachable as error:
            missing = missing or error
            continue
        if missing:
            report.warn(f"{missing.message}; its mirror {place.id} is taken")
        return there, first
    assert missing is not None
    local = f"put {source.spec.name}/{source.stem}.jsonl into a folder and set REASON_DATA to it, or "
    raise Unreachable(missing.message, ("" if source.formatter.universal else local) + missing.hint)


def _first_rows(source: Source, seed: int) -> list[Row]:
    """As many rows as a schema is told from; of a source whose schema is known, one, to see that it is there."""
    fits = type(source.formatter).fit is not DatasetFormatter.fit
    return list(islice(raw_rows(source, seed), FIRST_ROWS if fits else 1))


# --- rows --------------------------------------------------------------------------------------------------------

Row = tuple[str, Any]  # where it stands, and what it is: a mapping, or the BadRow that took its place


def read(source: Source, seed: int, tally: Tally, *, refuse_bad: bool, skip: int = 0) -> Iterator[tuple[int, Item]]:
    """(the number of rows read up to and with this one, the item it says), without the first `skip` rows.

    What became of each row is counted in `tally`. Raises `ReasonError` at the first bad row if `refuse_bad`.
    """
    share = source.part
    for number, (where, row) in enumerate(raw_rows(source, seed, skip), skip + 1):
        tally.rows += 1
        try:
            if isinstance(row, BadRow):
                raise row
            item = _formatted(source, where, row)
        except BadRow as error:
            tally.bad.append(f"{where}: {error}")
            if refuse_bad:
                raise ReasonError(f"bad row at {tally.bad[-1]}", "mend it, or --bad-rows skip") from None
            continue
        if item is None or (share and not share.start <= key_of(item) / KEYS < share.end):
            tally.left_out += 1
        else:
            tally.good += 1
            if tally.counts is not None:
                tally.counts.update(source.formatter.counts(row, source.options))
            yield number, item


def _formatted(source: Source, where: str, row: Mapping[str, Any]) -> Item | None:
    """What a row says. Raises `BadRow`, and `ReasonError` where a formatter fails or gives what is no item."""
    try:
        item = source.formatter.format(row, source.options)
    except (BadRow, ReasonError):
        raise
    except Exception as error:  # a plugin's: whatever it raises, a person gets one line
        raise _failure(source, where, f"{type(error).__name__}: {error}") from error
    if isinstance(item, Chat) and not answers_somebody(item):
        raise BadRow("no turn of an assistant that answers one before it")
    if item is not None and not isinstance(item, (Example, Chat, Text)):
        raise _failure(source, where, f"it gives {type(item).__name__}, which is no item")
    return item


def _failure(source: Source, where: str, what: str) -> ReasonError:
    return ReasonError(f"dataset '{source.formatter.name}' fails on {where}: {what}", "tell the plugin's author")


def _made(source: Source, rows: Iterator[Mapping[str, Any]], skip: int) -> Iterator[Row]:
    """Rows made on the spot. Raises `ReasonError` where that fails."""
    number = 0
    try:
        for number, row in islice(enumerate(rows, 1), skip, None):
            yield f"{source.label}:{number}", row
    except ReasonError:
        raise
    except Exception as error:
        raise _failure(source, f"row {number + 1}", f"{type(error).__name__}: {error}") from error


def raw_rows(source: Source, seed: int, skip: int = 0) -> Iterator[Row]:
    """The rows of a source as they are, without the first `skip`. Raises `Unreachable` when they cannot be had."""
    if source.place is None:
        made: Iterator[Mapping[str, Any]] | None = source.formatter.generate(source.split, seed, source.options)
        if made is None:
            raise ReasonError(f"dataset '{source.formatter.name}' has no rows anywhere", "tell the plugin's author")
        return _made(source, made, skip)
    if isinstance(source.place, Path):
        if not source.place.exists():
            raise Unreachable(f"no file '{source.place}'", "check the path")
        return files.rows(source.place, skip)
    return hub.rows(source.place, source.stem, skip)
