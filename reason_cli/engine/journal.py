"""The folder of an evaluation, and the answers in it that another start of the same evaluation need not write again.

While it runs: `unfinished.json`, which says what is being evaluated, and `answers.jsonl`, a line as each answer is
finished. Once `results.json` is there `samples.jsonl` holds the answers. Two evaluations are the same when their
identities are: model, prompts, expected answers and settings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import IO, Any

from reason_cli.engine.grading import Said
from reason_cli.errors import ReasonError
from reason_cli.runs import write_json

MARK, ANSWERS, RESULTS, SAMPLES = "unfinished.json", "answers.jsonl", "results.json", "samples.jsonl"


@dataclass
class Place:
    """An evaluation's folder; `said` are the answers that are there, `seconds` what they took."""

    folder: Path
    said: dict[tuple[int, int], Said] = field(default_factory=dict)
    seconds: float = 0.0


def find_place(root: Path, name: str, identity: str, *, resume: bool) -> Place:
    """The folder of the same evaluation under `root`, if one is there and `resume`; else a new one.

    Raises `ReasonError` when `root` cannot be written to.
    """
    there = [folder for folder in root.iterdir() if folder.name.startswith(f"{name}-")] if root.is_dir() else []
    for folder in sorted(there, reverse=True) if resume else ():
        place = _same(folder, identity)
        if place is not None:
            return place
    folder = new_folder(root, name)
    try:
        write_json(folder / MARK, {"identity": identity})
    except OSError as error:
        raise ReasonError(f"cannot make {folder}: {error.strerror}", "choose another --output") from None
    return Place(folder)


class Journal:
    """Writes answers down as they come. Raises `ReasonError` when another process writes to the same folder."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._file: IO[str] = (place.folder / ANSWERS).open("a+", encoding="utf-8")
        if not _lock(self._file):
            raise ReasonError(f"another process is evaluating into {place.folder}", "wait for it, or --no-resume")
        _end_last_line(place.folder / ANSWERS)

    def write(self, said: Said, seconds: float) -> None:
        """Keep one answer; `seconds` are those of this start."""
        self.place.said[said.id, said.sample] = said
        line = {**asdict(said), "seconds": round(self.place.seconds + seconds, 3)}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def forget(place: Place) -> None:
    """Remove what only an unfinished evaluation needs."""
    for name in (ANSWERS, MARK):
        (place.folder / name).unlink(missing_ok=True)


def _same(folder: Path, identity: str) -> Place | None:
    if _identity(folder / RESULTS) == identity:
        results = _json(folder / RESULTS)
        return Place(folder, _answers(folder / SAMPLES), float(results.get("timing", {}).get("seconds", 0.0)))
    if _identity(folder / MARK) == identity:
        lines = list(_lines(folder / ANSWERS))
        seconds = float(lines[-1].get("seconds", 0.0)) if lines else 0.0
        return Place(folder, _answers(folder / ANSWERS), seconds)
    return None


def _identity(path: Path) -> str:
    return str(_json(path).get("identity", ""))


def _json(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _answers(path: Path) -> dict[tuple[int, int], Said]:
    said = {}
    for line in _lines(path):
        with suppress(KeyError):  # of another version: answered anew
            text = line["text"] if "text" in line else line["output"]
            one = Said(line["id"], line["sample"], text, line["tokens"], line["finished"])
            said[one.id, one.sample] = one
    return said


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file that may end in half a one."""
    if path.is_file():
        for line in path.read_bytes().splitlines(keepends=True):
            with suppress(ValueError):
                value = json.loads(line) if line.endswith(b"\n") else None
                if isinstance(value, dict):
                    yield value


def _end_last_line(path: Path) -> None:
    """Cut off half a line, which a killed process may have left, so that the next begins on its own."""
    whole = path.read_bytes()
    if whole and not whole.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(whole.rfind(b"\n") + 1)


def _lock(file: IO[str]) -> bool:
    """Whether the file is ours alone, until it is closed or the process ends; where there are no locks, it is."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def new_folder(root: Path, name: str) -> Path:
    """A path that is not there yet, named after the time; a second one of the same second gets a number."""
    stamped = root / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    more = (stamped.with_name(f"{stamped.name}-{n}") for n in count(2))
    return next(folder for folder in chain([stamped], more) if not folder.exists())
