"""The endless rows of a split: stories drawn, told once each, and kept only by the split that owns them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from reason_datasets.splits import check_split, key_of, owner_of
from reason_datasets.word_problems.chains import draw_chain
from reason_datasets.word_problems.stories import tell

if TYPE_CHECKING:
    from reason_datasets.word_problems import WordProblemsOptions

# So many drafts in a row without a new question mean that the options leave no more of them.
PATIENCE = 20_000


def rows(split: str, splits: Sequence[str], rng: Random, options: WordProblemsOptions) -> Iterator[Mapping[str, Any]]:
    """Rows of `split`, one of `splits`, until the options leave no new question."""
    check_split("word-problems", split, splits)
    return _rows(split, splits, rng, options)


def _rows(split: str, splits: Sequence[str], rng: Random, options: WordProblemsOptions) -> Iterator[Mapping[str, Any]]:
    fewest, most = options.min_steps, options.max_steps
    if split == "harder":
        fewest, most = most + 1, most + 2
    seen: set[int] = set()

    def is_new(question: str) -> bool:
        key = key_of(question)
        if owner_of(key, splits) != split or key in seen:
            return False
        seen.add(key)
        return True

    misses = 0
    while misses < PATIENCE:
        steps = fewest + int(rng.random() * (most - fewest + 1))
        # The count of steps is drawn once and kept until a question of it is new: so the counts stay even.
        row, misses = None, 0
        while row is None and misses < PATIENCE:
            row = _draft(rng, steps, options, is_new)
            misses += 1
        if row is not None:
            yield row


def _draft(
    rng: Random, steps: int, options: WordProblemsOptions, is_new: Callable[[str], bool]
) -> Mapping[str, Any] | None:
    chain = draw_chain(rng.random, steps, options.magnitude, options.operations)
    question = tell(rng.random, chain)
    if not is_new(question):
        return None
    return {
        "question": question,
        "reasoning": "\n".join(chain.lines()),
        "answer": str(chain.results[-1]),
        "steps": steps,
    }
