"""Rows of puzzles: drafts as long as they come, each kept that is new and that the split owns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reason_datasets.splits import check_split, key_of, owner_of

PATIENCE = 20_000  # so many drafts without a new puzzle mean that the options leave no more of them


class Draft(NamedTuple):
    """A puzzle, its solution, how difficult it is, and how it is written that no two splits may share."""

    question: str
    answer: str
    difficulty: int
    kind: str


def rows(dataset: str, split: str, splits: Sequence[str], draft: Callable[[], Draft | None]) -> Iterator[Mapping]:
    """Rows of `split`, one of `splits`, of drafts, some of which may come to nothing."""
    check_split(dataset, split, splits)
    return _rows(split, splits, draft)


def _rows(split: str, splits: Sequence[str], draft: Callable[[], Draft | None]) -> Iterator[Mapping[str, Any]]:
    seen: set[str] = set()
    misses = 0
    while misses < PATIENCE:
        misses += 1
        found = draft()
        if found and owner_of(key_of(found.kind), splits) == split and found.question not in seen:
            seen.add(found.question)
            misses = 0
            yield {"question": found.question, "answer": found.answer, "difficulty": found.difficulty}
