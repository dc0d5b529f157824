"""Evaluations written to their folders and read back: what was measured, and every answer. Grades nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from reason_cli.api import BadRow
from reason_cli.engine.files import rows
from reason_cli.engine.grading import Sample
from reason_cli.engine.journal import MARK, RESULTS, SAMPLES
from reason_cli.errors import ReasonError
from reason_cli.runs import write_json, write_text

NEEDED = {"dataset": str, "checkpoint": str, "n": int, "correct": int, "settings": dict}  # of results.json
KINDS: dict[str, tuple[type, ...]] = {
    "id": (int,),
    "sample": (int,),
    "question": (str,),
    "expected": (str,),
    "predicted": (str, NoneType),
    "correct": (bool,),
    "strict": (bool,),
    "strategy": (str, NoneType),
    "span": (list, NoneType),
    "tokens": (int,),
    "finished": (bool,),
    "output": (str,),
    "reasoning": (str,),
    "tags": (dict,),
}  # the fields of a line of samples.jsonl, and what each may be


@dataclass(frozen=True)
class Graded:
    """An evaluation: what `results.json` says, its samples in the order they were written, and where it stands."""

    results: Mapping[str, Any]
    samples: Sequence[Sample]
    folder: Path

    @property
    def label(self) -> str:
        """The model's short name, or the folder's where there was no model."""
        return str(self.results.get("model") or self.folder.name)


def read_graded(path: Path) -> Graded:
    """The evaluation at `path`: its folder, its `results.json`, or a folder with one evaluation below it (a run).

    Keys that are not known are passed over. Raises `ReasonError` when there is none, more than one, or one that is
    not finished, broken, or not of one piece.
    """
    folder = evaluation_folder(path)
    results = _read_results(folder / RESULTS)
    samples = [_sample(place, row) for place, row in rows(_there(folder / SAMPLES))]
    _check(results, samples, folder)
    return Graded(results, samples, folder)


def write_graded(graded: Graded) -> None:
    """Write `samples.jsonl`, then `results.json`: whoever sees the one finds the other."""
    lines = (json.dumps(asdict(sample), ensure_ascii=False) for sample in graded.samples)
    write_text(graded.folder / SAMPLES, "".join(line + "\n" for line in lines))
    write_json(graded.folder / RESULTS, graded.results)


def evaluation_folder(path: Path) -> Path:
    """The folder of the one evaluation that `path` is or holds, as `read_graded` takes it."""
    if not path.exists():
        raise ReasonError(f"no evaluation '{path}'", "pass a folder that `reason eval` wrote", usage=True)
    if path.is_file():
        if path.name != RESULTS:
            raise ReasonError(f"{path} is no evaluation", f"pass its folder, or its {RESULTS}", usage=True)
        return path.parent
    if (path / RESULTS).is_file():
        return path
    if any((path / name).is_file() for name in (MARK, SAMPLES)):
        raise ReasonError(
            f"the evaluation in {path} is not finished: it has no {RESULTS}",
            "give its command again: it goes on where it stopped",
        )
    found = _evaluations_below(path / "eval" if (path / "run.toml").is_file() else path)
    if len(found) != 1:
        raise _not_one(path, found)
    return found[0]


def _evaluations_below(folder: Path) -> list[Path]:
    """Finished evaluations one or two folders down, newest first."""
    files = [file for pattern in (f"*/{RESULTS}", f"*/*/{RESULTS}") for file in folder.glob(pattern)]
    return [file.parent for file in sorted(files, key=lambda file: (-file.stat().st_mtime_ns, file))]


def _not_one(path: Path, found: Sequence[Path]) -> ReasonError:
    if not found:
        return ReasonError(
            f"{path} holds no evaluation: there is no {RESULTS}", "pass a folder that `reason eval` wrote"
        )
    listed = ", ".join(str(folder.relative_to(path)) for folder in found)
    return ReasonError(f"{path} holds {len(found)} evaluations, newest first: {listed}", f"pass one, as {found[0]}")


def _there(file: Path) -> Path:
    if not file.is_file():
        raise ReasonError(f"{file.parent} has no {file.name}", "evaluate again: every answer is needed")
    return file


def _read_results(file: Path) -> Mapping[str, Any]:
    try:
        results = json.loads(file.read_bytes().decode())
    except OSError as error:
        raise ReasonError(f"cannot read {file}: {error.strerror}", "check its permissions") from None
    except json.JSONDecodeError as error:
        raise ReasonError(f"{file}:{error.lineno} is not JSON: {error.msg}", "evaluate again") from None
    except (ValueError, RecursionError):
        raise ReasonError(f"{file} is not JSON in UTF-8", "evaluate again") from None
    if not isinstance(results, dict):
        raise ReasonError(f"{file} is no JSON object", "evaluate again")
    for key, kind in NEEDED.items():
        if not isinstance(results.get(key), kind):
            raise ReasonError(f"{file} does not say '{key}': it is no evaluation's", "evaluate again")
    return results


def _sample(place: str, row: Mapping[str, Any] | BadRow) -> Sample:
    """A line of `samples.jsonl`; `place` is its file and number."""
    if isinstance(row, BadRow):
        raise ReasonError(f"{place} cannot be read: {row}", "evaluate again")
    for name, kinds in KINDS.items():
        if name not in row:
            raise ReasonError(f"{place} has no '{name}'", "evaluate again, or grade its outputs with `reason grade`")
        if type(row[name]) not in kinds:
            raise ReasonError(f"{place} has a '{name}' that is {type(row[name]).__name__}", "evaluate again")
    span = row["span"]
    if span is not None and [type(end) for end in span] != [int, int]:
        raise ReasonError(f"{place} has a 'span' that is no pair of places", "evaluate again")
    return Sample(**{name: row[name] for name in KINDS} | {"span": tuple(span) if span else None})


def _check(results: Mapping[str, Any], samples: Sequence[Sample], folder: Path) -> None:
    """Refuse files that are not of one evaluation, or an evaluation of nothing."""
    counted = results.get("answers", results["n"])
    if len(samples) != counted:
        raise ReasonError(
            f"{folder / SAMPLES} holds {len(samples):,} answers, {RESULTS} counts {counted:,}", "evaluate again"
        )
    if sum(sample.correct for sample in samples) != results["correct"]:
        raise ReasonError(f"{SAMPLES} and {RESULTS} in {folder} do not agree on what is right", "evaluate again")
    if not samples:
        raise ReasonError(f"the evaluation in {folder} is of no questions", "evaluate on some")
