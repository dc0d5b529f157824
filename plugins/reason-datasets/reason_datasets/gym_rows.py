"""Entries of reasoning-gym's tasks, each question once. Imports reasoning-gym when rows or names are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from random import Random
from types import ModuleType
from typing import Any

from reason_cli import BadRow, Example, ReasonError
from reason_datasets.fields import text_of, value_of
from reason_datasets.splits import check_split, key_of, owner_of

ROUND = 50  # entries asked for at a time: some tasks take long over one
PATIENCE = 5_000  # so many entries in a row without a new question mean that the task has no more

# A mixture of other tasks, and tasks that give no answer to learn from.
LEFT_OUT = ("composite", "boxnet", "rush_hour")

# Its verifier compares truth values of texts, and gives any text at all the full score: answers are compared instead.
BROKEN = ("game_of_life_halting",)


def reasoning_gym() -> ModuleType:
    """The package. Raises `ReasonError` when it cannot be imported."""
    try:
        return import_module("reasoning_gym")  # takes seconds, and not everyone needs it
    except ImportError as error:
        raise ReasonError(
            f"reasoning-gym cannot be imported: {error}",
            hint="pip install reasoning-gym",
        ) from error


def tasks() -> Sequence[str]:
    """The names of the tasks, sorted."""
    reasoning_gym()
    return tuple(sorted(set(import_module("reasoning_gym.factory").DATASETS) - set(LEFT_OUT)))


def check_task(name: str) -> None:
    """Raises `ReasonError` for what is no task, with names that are near."""
    from difflib import get_close_matches

    known = tasks()
    if name not in known:
        near = get_close_matches(name, known, 3) or known[:5]
        raise ReasonError(f"reasoning-gym has no task {name!r}", f"such as {', '.join(near)}; it has {len(known)}")


def rows(task: str, split: str, splits: tuple[str, ...], rng: Random) -> Iterator[Mapping[str, Any]]:
    """Entries of `task` that belong to `split`, until there are no new ones. Raises `ReasonError`."""
    check_split(f"reasoning-gym/{task}", split, splits)
    return _rows(reasoning_gym(), task, split, splits, rng)


def _rows(gym: ModuleType, task: str, split: str, splits: tuple[str, ...], rng: Random) -> Iterator[Mapping[str, Any]]:
    seen: set[int] = set()
    misses = 0
    while misses < PATIENCE:
        # Some tasks hand their seed to numpy, which takes 32 bits, and count it up.
        for entry in gym.create_dataset(task, seed=rng.getrandbits(31), size=ROUND):
            key = key_of(entry["question"].strip())
            if key in seen or owner_of(key, splits) != split:
                misses += 1
                continue
            misses = 0
            seen.add(key)
            yield entry


def read(row: Mapping[str, Any], options: Any) -> Example:
    """What a row says."""
    question, metadata = text_of(row, "question"), value_of(row, "metadata")
    if not isinstance(metadata, Mapping) or not isinstance(metadata.get("source_dataset"), str):
        raise BadRow("column 'metadata' does not say the task under 'source_dataset'")
    task = metadata["source_dataset"]
    reference = {} if task in BROKEN else {"task": task, "entry": dict(row)}
    return Example(question, "", _answer(row, metadata), {"task": task}, reference)


def _answer(row: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """The answer; where any of several will do, the one that the metadata gives."""
    if value_of(row, "answer") is not None:
        return text_of(row, "answer")
    for key in ("example_answer", "example_correct_answer"):
        if isinstance(metadata.get(key), str) and metadata[key].strip():
            return metadata[key].strip()
    if isinstance(metadata.get("possible_answer"), Mapping):
        return json.dumps(metadata["possible_answer"])
    raise BadRow("column 'answer' is null, and the metadata gives no answer")
