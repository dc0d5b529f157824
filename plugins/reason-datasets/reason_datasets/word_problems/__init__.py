"""`word-problems`: short arithmetic stories with worked solutions, made on the spot, without end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from reason_cli import DatasetFormatter, Example, ReasonError, option
from reason_datasets.fields import text_of, whole_number_of
from reason_datasets.splits import check_split, key_of, owner_of
from reason_datasets.word_problems.chains import OPERATIONS, draw_chain
from reason_datasets.word_problems.stories import tell

# So many drafts in a row without a new question mean that the options leave no more of them.
PATIENCE = 20_000


@dataclass(frozen=True)
class WordProblemsOptions:
    """What the stories are like."""

    min_steps: int = option(1, "fewest steps of a solution", minimum=1, maximum=8)
    max_steps: int = option(4, "most steps; `harder` has one and two more", minimum=1, maximum=8)
    magnitude: int = option(100, "largest number that occurs anywhere", minimum=20, maximum=1_000_000)
    operations: str = option(OPERATIONS, "which of + - * / the steps use")


class WordProblems(DatasetFormatter):
    """Stories about people, things and places; every step is one short line such as `12 + 7 = 19`."""

    name = "word-problems"
    help = "short chained-arithmetic stories with worked solutions, generated without limit"
    splits = ("train", "test", "harder")
    Options = WordProblemsOptions

    def format(self, row: Mapping[str, Any], options: WordProblemsOptions) -> Example:
        """What a row says."""
        return Example(
            question=text_of(row, "question"),
            reasoning=text_of(row, "reasoning"),
            answer=text_of(row, "answer"),
            tags={"steps": whole_number_of(row, "steps")},
        )

    def generate(self, split: str, seed: int, options: WordProblemsOptions) -> Iterator[Mapping[str, Any]]:
        """Rows without end, the same for the same split, seed and options; no question comes twice.

        Ends early only when the options leave no question that has not been told already.
        """
        check_split(self.name, split, self.splits)
        _check(options)
        return _rows(split, Random(f"word-problems/{split}/{seed}"), options)


def _check(options: WordProblemsOptions) -> None:
    if options.min_steps > options.max_steps:
        raise ReasonError(
            f"word-problems: min_steps {options.min_steps} is more than max_steps {options.max_steps}",
            hint="set min_steps to max_steps or less",
        )
    unknown = set(options.operations) - set(OPERATIONS)
    if unknown or not options.operations:
        raise ReasonError(
            f"word-problems: operations {options.operations!r} is not a choice from {OPERATIONS!r}",
            hint="name one or more of + - * / without spaces, such as '+-'",
        )


def _rows(split: str, rng: Random, options: WordProblemsOptions) -> Iterator[Mapping[str, Any]]:
    fewest, most = options.min_steps, options.max_steps
    if split == "harder":
        fewest, most = most + 1, most + 2
    seen: set[int] = set()
    misses = 0
    while misses < PATIENCE:
        steps = fewest + int(rng.random() * (most - fewest + 1))
        # The count of steps is drawn once and kept until a question of it is new: so the counts stay even.
        row, misses = None, 0
        while row is None and misses < PATIENCE:
            row = _draft(split, rng, steps, options, seen)
            misses += 1
        if row is not None:
            yield row


def _draft(
    split: str, rng: Random, steps: int, options: WordProblemsOptions, seen: set[int]
) -> Mapping[str, Any] | None:
    chain = draw_chain(rng.random, steps, options.magnitude, options.operations)
    question = tell(rng.random, chain)
    key = key_of(question)
    if owner_of(key, WordProblems.splits) != split or key in seen:
        return None
    seen.add(key)
    return {
        "question": question,
        "reasoning": "\n".join(chain.lines()),
        "answer": str(chain.results[-1]),
        "steps": steps,
    }
