"""What an answer is rewarded with: the verdict that `reason eval` gives on it, its form and its length.

Knows no model and no trainer: TRL calls the three parts and weighs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from reason_cli.api import AnswerExtractor, Example
from reason_cli.config import GrpoOptions
from reason_cli.engine.grading import Said, Sample, grade

KEPT = 4096  # verdicts: each is asked for by two parts


class Rewards:
    """The parts of the reward of an answer to one of `examples`, each from 0 to 1.

    A part is called with the texts of a batch's answers and, for each, the number of the example that it answers, or
    its token ids; what else TRL tells is passed over. `weights` are those of the parts, in their order.
    """

    def __init__(self, examples: Sequence[Example], extractor: AnswerExtractor, options: GrpoOptions) -> None:
        self.examples = examples
        self.extractor = extractor
        self.longest = options.max_completion_length
        self.parts = [self.correct, self.format, self.length]
        self.weights = [options.correct_weight, options.format_weight, options.length_weight]
        self.verdict = lru_cache(KEPT)(self._verdict)

    def _verdict(self, row: int, text: str) -> Sample:
        """An answer as `reason eval` grades it."""
        return grade(Said(row, 0, text, 0, True), self.examples[row], self.extractor)

    def correct(self, completions: Sequence[str], row: Sequence[int], **told: Any) -> list[float]:
        """1 for a right answer."""
        return [float(self.verdict(*one).correct) for one in zip(row, completions, strict=True)]

    def format(self, completions: Sequence[str], row: Sequence[int], **told: Any) -> list[float]:
        """1 for an answer after an explicit marker, which strict accuracy asks for; right or not."""
        strategies = [self.verdict(*one).strategy for one in zip(row, completions, strict=True)]
        return [float(strategy is not None and self.extractor.is_marked(strategy)) for strategy in strategies]

    def length(self, completion_ids: Sequence[Sequence[int]], **told: Any) -> list[float]:
        """The share of the most tokens that an answer leaves unused."""
        return [1.0 - len(ids) / self.longest for ids in completion_ids]
