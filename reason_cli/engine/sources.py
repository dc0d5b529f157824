"""Where a dataset's rows are: a local file or folder, the hub, or nowhere because they are made on the spot."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reason_cli.api import DatasetFormatter, Hub, Part
from reason_cli.config import NO_WEIGHT
from reason_cli.engine import files
from reason_cli.errors import ReasonError, did_you_mean

SPEC = r"(?P<name>(?:[^@]|@(?=.*[/\\.]))+?)(?::(?P<split>[\w-]+))?(?:@(?P<take>0*[1-9]\d*))?"
HUB_ID = r"[\w.-]+/[\w.-]+(?:/[\w.-]+)?"  # owner/name, and a configuration if it has several
LARGE = 2**30  # bytes of a file from which on its rows are streamed


@dataclass(frozen=True)
class Spec:
    """`NAME[:SPLIT][@N]`, taken apart; `name` is a dataset's, a path or a hub id, `take` 0 means all."""

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
    """A dataset's rows, ready to be read: by which formatter and options, which split, how many, from where.

    `place` is a file or folder, or a dataset of the hub; None where rows are made on the spot.
    """

    spec: Spec
    formatter: DatasetFormatter
    options: Any
    split: str
    place: Path | Hub | None
    weight: float = NO_WEIGHT
    fallback: Source | None = None

    @property
    def endless(self) -> bool:
        """Whether rows are made on the spot, so that someone must say how many."""
        return self.place is None

    @property
    def label(self) -> str:
        return f"{self.spec.name}:{self.split}" if self.split else self.spec.name

    @property
    def part(self) -> Part | None:
        """The share of another split that this one is, if it is one."""
        return self.formatter.parts.get(self.split)

    @property
    def stem(self) -> str:
        """The split whose rows are read: this one, or that of which it is a part."""
        return self.part.split if self.part else self.split

    @property
    def large(self) -> bool:
        """Whether there are too many rows to hold, as far as can be known without reading them."""
        if isinstance(self.place, Hub):
            return self.place.streaming
        return self.place is not None and self.place.exists() and files.size(self.place) > LARGE


def place_of(name: str) -> Path | Hub | None:
    """The file, folder or hub dataset that a name stands for; None when it can be neither."""
    path = Path(os.path.expanduser(name))
    if os.path.exists(path) or name.lower().endswith((*files.SUFFIXES, *files.TEXTS)):
        return path
    if not re.fullmatch(HUB_ID, name):
        return None
    owner, dataset, *config = name.split("/")
    return Hub(f"{owner}/{dataset}", config[0] if config else "", splits={})


@dataclass(frozen=True)
class Request:
    """What was asked for, names already looked up: the parts of a `Source` before its place is known."""

    spec: Spec
    formatter: DatasetFormatter
    options: Any
    place: Path | Hub | None = None  # where the name itself says so
    weight: float = NO_WEIGHT
    fallback: Source | None = field(default=None)


def make_source(request: Request, default_split: str, data_folder: Path | None) -> Source:
    """A `Source` with its split and place chosen. `default_split` empty means the first that is at hand.

    Raises `ReasonError` for a split that the dataset does not have, or a file that is not there.
    """
    spec, formatter = request.spec, request.formatter
    split = _split(request, default_split or _first_at_hand(spec, formatter, data_folder))
    place = request.place if request.place is not None else _known_place(spec, formatter, split, data_folder)
    if isinstance(place, Path) and not place.exists() and request.fallback is None:
        raise ReasonError(f"no file '{spec.name}'", "check the path", usage=True)
    return Source(spec, formatter, request.options, split, place, request.weight, request.fallback)


def _first_at_hand(spec: Spec, formatter: DatasetFormatter, data_folder: Path | None) -> str:
    """The first split whose rows are in the local folder, or the first of all."""
    local = (s for s in formatter.splits if isinstance(_known_place(spec, formatter, s, data_folder), Path))
    return next(local, formatter.splits[0])


def _split(request: Request, default: str) -> str:
    spec, formatter = request.spec, request.formatter
    if isinstance(request.place, Path):
        if spec.split:
            kind = "folder" if request.place.is_dir() else "file"
            hint = f"name one file of it: {spec.name}/{spec.split}.jsonl" if kind == "folder" else "leave it out"
            raise ReasonError(f"'{spec.name}' is a {kind} and has no split '{spec.split}'", hint, usage=True)
        return ""
    if isinstance(request.place, Hub):
        return spec.split or default or "train"
    split = spec.split or default
    known = (*formatter.splits, *formatter.parts)
    if split not in known:
        hint = f"{did_you_mean(split, known)}it has {', '.join(known)}: {spec.name}:{known[0]}"
        raise ReasonError(f"dataset '{spec.name}' has no split '{split}'", hint, usage=True)
    return split


def _known_place(spec: Spec, formatter: DatasetFormatter, split: str, data_folder: Path | None) -> Path | Hub | None:
    """A known dataset's rows: in the folder `REASON_DATA` if they are there, else on the hub if they are at all."""
    if formatter.hub is None:
        return None
    stem = formatter.parts[split].split if split in formatter.parts else split
    endings: Mapping[str, Any] = files.READERS
    local = (data_folder / spec.name / f"{stem}{ending}" for ending in endings) if data_folder else ()
    return next((path for path in local if path.is_file()), formatter.hub)
