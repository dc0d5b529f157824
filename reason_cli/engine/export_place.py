"""The folder that an export becomes: what may be there already, and how it gets its name only once it is whole."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reason_cli.errors import ReasonError
from reason_cli.runs import ARTEFACT

ROOM = 1.1  # of what the weights take, which must be free on the disk
ANOTHER = "choose another --output"


def check_place(output: Path, sources: Iterable[Path], force: bool) -> None:
    """Raises `ReasonError` where nothing may be made: `sources`, what is exported, are never replaced, and with `force`
    nothing is but an empty folder and what `reason export` wrote.
    """
    with refusals(output):
        if output.is_symlink():
            raise ReasonError(f"{output} is a link", f"pass the folder that it leads to, or {ANOTHER}", usage=True)
        if output.exists():
            check_replaceable(output, sources, force)


def check_replaceable(output: Path, sources: Iterable[Path], force: bool) -> None:
    """Of something that is there."""
    place = output.resolve()
    if any(place in (source, *source.parents) for source in (source.resolve() for source in sources)):
        raise ReasonError(f"{output} holds what is exported", ANOTHER, usage=True)
    if not force:
        raise ReasonError(f"{output} is there already", f"{ANOTHER}, or replace it with --force", usage=True)
    if not (output / ARTEFACT).is_file() and not (output.is_dir() and next(output.iterdir(), None) is None):
        raise ReasonError(
            f"{output} is nothing that `reason export` wrote, so that --force keeps it", ANOTHER, usage=True
        )


def check_room(output: Path, wanted: int) -> None:
    """Raises `ReasonError` where fewer bytes are free than the weights will take."""
    with refusals(output):
        there = next(folder for folder in [output, *output.absolute().parents] if folder.is_dir())
        free = shutil.disk_usage(there).free
    if free < ROOM * wanted:
        raise ReasonError(
            f"{output} needs some {ROOM * wanted / 2**20:,.1f} MiB, and {free / 2**20:,.1f} MiB are free", ANOTHER
        )


@contextmanager
def folder_for(output: Path, force: bool) -> Iterator[Path]:
    """A new folder to write to, which is `output` once all is well; else nothing of it is left.

    Each has a name of its own until then, so that several may be under way. Raises `ReasonError` for what the disk
    refuses, and where something came to be there meanwhile; what `force` replaces is gone only when all is there.
    """
    own = f".{output.name}.{secrets.token_hex(3)}"
    partial, old = (output.with_name(f"{own}.{word}") for word in ("partial", "old"))
    try:
        with refusals(output):
            partial.mkdir(parents=True)
            yield partial
            if output.exists() and not force:
                raise ReasonError(f"{output} was made by something else meanwhile", ANOTHER)
            if force and output.exists():
                _swap(partial, output, old)
            else:
                partial.rename(output)  # which the disk refuses where a folder came to be there just now
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _swap(partial: Path, output: Path, old: Path) -> None:
    output.rename(old)
    try:
        partial.rename(output)
    except OSError:
        old.rename(output)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def refusals(output: Path) -> Iterator[None]:
    """Raises `ReasonError` for what the disk refuses."""
    try:
        yield
    except OSError as error:
        raise ReasonError(f"cannot write {output}: {error.strerror or error}", ANOTHER) from None
