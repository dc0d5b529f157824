"""`word-problems`: short arithmetic stories with worked solutions, made on the spot, without end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reason_cli import DatasetFormatter, Example, ReasonError, option
from reason_datasets.fields import text_of, whole_number_of

OPERATIONS = "+-*/"


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
        _check(options)
        # The worlds and their words are loaded only when stories are told: listing datasets stays quick.
        from random import Random

        from reason_datasets.word_problems.rows import rows

        return rows(split, self.splits, Random(f"word-problems/{split}/{seed}"), options)


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
