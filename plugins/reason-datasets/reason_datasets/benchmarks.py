"""Datasets to be graded on, some to learn from too: where their rows are, and which columns they have.

The module of a dataset's name reads its rows. What is said here of hub ids, splits and columns was checked against
dataset cards and code that loads them; each module says what was seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from reason_cli import Hub, Part, ReasonError
from reason_datasets.late import Published, late


class GSM8K(Published):
    """The variant `socratic` has the same problems; each line of its solutions is a question, ` ** ` and the step."""

    name = "gsm8k"
    help = "GSM8K: 8,792 grade-school maths problems with solutions written by people"
    benchmark = True
    columns = ("question", "answer")
    parts = {"fit": Part("train", 0.0, 0.8), "dev": Part("train", 0.8, 1.0)}
    Options = late("gsm8k:GSM8KOptions")
    read = late("gsm8k:read")
    counts = late("gsm8k:counts")

    def __init__(self, config: str = "main") -> None:
        self.hub = Hub("openai/gsm8k", config)

    def variants(self) -> Sequence[str]:
        return ("main", "socratic")

    def variant(self, name: str) -> GSM8K:
        """The same rows with the other kind of solutions."""
        if name not in self.variants():
            raise ReasonError(f"gsm8k has no variant {name!r}", "it has main and socratic")
        return GSM8K(name)


class GSMHard(Published):
    """Many rows are faulty or word for word GSM8K's; they are given as they are."""

    name = "gsm-hard"
    help = "GSM-Hard: 1,319 questions of GSM8K's test split with larger numbers; evaluation"
    benchmark = True
    hub = Hub("reasoning-machines/gsm-hard", splits={"test": "train"})
    splits = ("test",)
    columns = ("input", "code", "target")
    extractor = "approximate"
    read = late("gsm_hard:read")


class SVAMP(Published):
    """The hub has 700 and 300 of the 1,000 problems; the copy of the authors of PAL calls all of them `test`."""

    name = "svamp"
    help = "SVAMP: 1,000 elementary word problems in varied wording; evaluation"
    benchmark = True
    hub = Hub("ChilleD/SVAMP")
    columns = ("ID", "Body", "Question", "Equation", "Answer", "Type", "question_concat")
    read = late("svamp:read")


class ASDiv(Published):
    """The repository began as a loading script, which is no longer run; the branch with parquet stands in for it."""

    name = "asdiv"
    help = "ASDiv: word problems of six school years, those with one number as answer; evaluation"
    benchmark = True
    hub = Hub(
        "EleutherAI/asdiv",
        "asdiv",
        {"test": "validation"},
        mirrors=(Hub("EleutherAI/asdiv", "asdiv", {"test": "validation"}, revision="refs/pr/1"),),
    )
    splits = ("test",)
    columns = ("body", "question", "solution_type", "answer", "formula")
    read = late("asdiv:read")


class MultiArith(Published):
    """A question and the number that answers it."""

    name = "multiarith"
    help = "MultiArith: 600 word problems of several steps; evaluation"
    benchmark = True
    hub = Hub("ChilleD/MultiArith")
    columns = ("question", "final_ans")
    read = late("multiarith:read")


class MATH(Published):
    """`hendrycks/competition_math` has been closed and was a loading script; these copies have its columns."""

    name = "math"
    help = r"MATH: 12,500 competition problems with worked solutions, answers in \boxed{}"
    benchmark = True
    hub = Hub(
        "DigitalLearningGmbH/MATH-lighteval",
        "default",
        mirrors=(Hub("Dahoas/MATH"), Hub("TianHongZXY/MATH")),
        formerly=("hendrycks/competition_math",),
    )
    columns = ("problem", "level", "type", "solution")
    extractor = "math"
    read = late("math_competition:read")


class SQuAD2(Published):
    """`validation` stands for the test split, which is not published."""

    name = "squad-v2"
    help = "SQuAD 2.0: 142,192 questions about paragraphs of Wikipedia, a third of them without an answer"
    benchmark = True
    hub = Hub("rajpurkar/squad_v2", "squad_v2", {"train": "train", "test": "validation"}, formerly=("squad_v2",))
    columns = ("id", "title", "context", "question", "answers")
    extractor = "phrase"
    read = late("squad:read")
