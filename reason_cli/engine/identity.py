"""Which weights a checkpoint holds, and what to call it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from reason_cli.runs import ARTEFACT, step_of

PIECE = 2**20  # bytes read at once
TEXT = ("", ".json", ".jinja", ".md", ".py", ".txt")  # how names of text end; Ollama's Modelfile has no end


def weights_sha256(folder: Path) -> str:
    """A hash of a folder's weights, config and tokenizer; read once, however many benchmarks ask, while it stays so.

    An exported model is known by what `export.json` says of its files, see `changed_files`.
    """
    names = ("config.json", "adapter_config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
    others = (folder / name for name in (*names, ARTEFACT))
    files = sorted(p for p in (*folder.glob("*.safetensors"), *others) if p.is_file())
    return _sha256(tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files))


def changed_files(folder: Path, written: Mapping[str, str]) -> list[str]:
    """What of an exported model is gone, or is not what was `written` (hashes); text may be edited."""
    binary = {name: digest for name, digest in written.items() if Path(name).suffix not in TEXT}
    there = {name: file_sha256(folder / name) for name in binary if (folder / name).is_file()}
    return [name for name, digest in binary.items() if there.get(name) != digest]


def same_model(one: str, other: str) -> bool:
    """Whether two names, ids of the hub or folders, are of one model.

    Folders that are both there are compared themselves. Else the last parts of the names are, as one may have moved.
    """
    if Path(one).is_dir() and Path(other).is_dir():
        return Path(one).samefile(other)
    return Path(one).name.casefold() == Path(other).name.casefold()


@cache
def _sha256(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Of names and contents; size and time of change only tell one state of a file from another."""
    digest = hashlib.sha256()
    for path, _, _ in files:
        digest.update(path.name.encode())
        _add(digest, path)
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """The hash of one file's contents."""
    digest = hashlib.sha256()
    _add(digest, path)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, path: Path) -> None:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)


def label_of(checkpoint: str) -> str:
    """What a person would call it: the run's name (and the step), a folder's name, a hub id."""
    path = Path(checkpoint)
    if not path.is_dir():
        return checkpoint
    parents = path.resolve().parents
    run = next((parent for parent in list(parents)[:2] if (parent / "run.toml").is_file()), None)
    if run is None:
        return path.resolve().name
    return f"{run.name}/{path.name}" if step_of(path) >= 0 else run.name
