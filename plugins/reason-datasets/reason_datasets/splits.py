"""Which split owns a generated question: told by a hash of its text alone.

So a question can never turn up in two splits, whatever seed or option made it.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from reason_cli import ReasonError

# One bucket in sixteen for each split but the first, which owns the others.
BUCKETS = 16


def key_of(question: str) -> int:
    """A 64-bit hash of the question, the same everywhere."""
    return int.from_bytes(blake2b(question.encode(), digest_size=8).digest(), "big")


def owner_of(key: int, splits: Sequence[str]) -> str:
    """The split that owns the question with this hash."""
    bucket = key % BUCKETS + 1
    return splits[bucket] if bucket < len(splits) else splits[0]


def check_split(dataset: str, split: str, splits: Sequence[str]) -> None:
    """Refuse a split that the dataset does not have."""
    if split not in splits:
        raise ReasonError(f"{dataset} has no split {split!r}", hint=f"use one of {', '.join(splits)}")
