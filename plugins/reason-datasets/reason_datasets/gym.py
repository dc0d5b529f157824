"""`reasoning-gym`: any task of reasoning-gym by name, generated without limit, graded by the task's own verifier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reason_cli import AnswerExtractor, Example, Extraction, ReasonError
from reason_datasets.late import Published, late


class ReasoningGym(Published):
    """`reasoning-gym/TASK`. A row is what reasoning-gym calls an entry; its verifier gets it back with the answer.

    A few tasks keep an example of an answer among the facts about the question (`metadata`).
    """

    name = "reasoning-gym"
    help = "reasoning-gym's tasks, generated and graded by the task itself; reasoning-gym/basic_arithmetic"
    columns = ("question", "answer", "metadata")
    extractor = "reasoning-gym"
    read = late("gym_rows:read")

    def __init__(self, task: str = "") -> None:
        self.task = task

    def variants(self) -> Sequence[str]:
        from reason_datasets.gym_rows import tasks

        return tasks()

    def variant(self, name: str) -> ReasoningGym:
        """One task."""
        from reason_datasets.gym_rows import check_task

        check_task(name)
        return ReasoningGym(name)

    def generate(self, split: str, seed: int, options: Any) -> Iterator[Mapping[str, Any]]:
        """Rows without end, the same for the same split and seed; tasks with few questions end when all are told."""
        if not self.task:
            raise ReasonError(
                "reasoning-gym needs the name of a task",
                "such as reasoning-gym/basic_arithmetic, reasoning-gym/chain_sum or reasoning-gym/leg_counting",
            )
        from random import Random

        from reason_datasets.gym_rows import rows

        return rows(self.task, split, self.splits, Random(f"{self.name}/{self.task}/{split}/{seed}"))


class GymAnswers(AnswerExtractor):
    """Answers as they are written, several lines too. Right is what the task's verifier gives the full score of 1."""

    name = "reasoning-gym"
    help = "the text of the answer, of several lines too, judged by reasoning-gym's own verifier of the task"

    def extract(self, text: str) -> Extraction | None:
        """The answer that `text` gives, and where it stands."""
        from reason_datasets.gym_answers import extract

        return extract(text)

    def equal(self, predicted: str, expected: str) -> bool:
        """Whether both say the same, however it is spaced."""
        return predicted.split() == expected.split()

    def correct(self, predicted: str, example: Example) -> bool:
        """Whether it is the answer as given, or another that the task's verifier accepts."""
        from reason_datasets.gym_answers import correct

        if not {"task", "entry"} <= set(example.reference):
            return self.equal(predicted, example.answer)
        # To a verifier it may matter how an answer is spaced.
        return predicted.strip() == example.answer.strip() or correct(predicted, example)
