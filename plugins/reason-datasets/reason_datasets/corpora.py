"""Datasets to learn from: where their rows are, and which columns they have. See `benchmarks` on what was checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from reason_cli import Hub, ReasonError
from reason_datasets.late import Published, late

TRAIN = {"train": "train"}


class MathInstruct(Published):
    """Thirteen collections of maths; the column `source` names the one that a row is from."""

    name = "mathinstruct"
    help = "MathInstruct: 262,039 maths problems, solved in words or by Python programs"
    hub = Hub("TIGER-Lab/MathInstruct", splits=TRAIN)
    splits = ("train",)
    columns = ("source", "output", "instruction")
    extractor = "math"
    Options = late("mathinstruct:MathInstructOptions")
    read = late("mathinstruct:read")


class MetaMath(Published):
    """Questions made from GSM8K's and MATH's training questions; `type` says how."""

    name = "metamath"
    help = "MetaMathQA: 395,000 questions made from GSM8K's and MATH's training questions, with solutions"
    hub = Hub("meta-math/MetaMathQA", splits=TRAIN)
    splits = ("train",)
    columns = ("type", "query", "original_question", "response")
    extractor = "math"
    read = late("metamath:read")


class OpenMathInstruct(Published):
    """Both splits were made from training questions. The variant `2` is OpenMathInstruct-2."""

    name = "openmathinstruct"
    help = "OpenMathInstruct-1: 1.8 million right solutions to GSM8K's and MATH's training questions"
    hub = Hub("nvidia/OpenMathInstruct-1", splits={**TRAIN, "validation": "validation"}, streaming=True)
    splits: ClassVar[tuple[str, ...]] = ("train", "validation")
    columns: ClassVar[tuple[str, ...]] = (
        *("question", "expected_answer", "predicted_answer", "error_message"),
        *("is_correct", "generation_type", "dataset", "generated_solution"),
    )
    extractor = "math"
    Options = late("verdicts:VerdictOptions")
    read = late("openmathinstruct:read")

    def variants(self) -> Sequence[str]:
        return ("1", "2")

    def variant(self, name: str) -> OpenMathInstruct:
        """The first or the second collection."""
        if name not in self.variants():
            raise ReasonError(f"openmathinstruct has no variant {name!r}", "it has 1 and 2")
        return OpenMathInstruct2() if name == "2" else self


class OpenMathInstruct2(OpenMathInstruct):
    """The second collection: 14 million rows, none of them marked wrong."""

    hub = Hub("nvidia/OpenMathInstruct-2", splits=TRAIN, streaming=True)
    splits = ("train",)
    columns = ("problem", "generated_solution", "expected_answer", "problem_source")


class NuminaMath(Published):
    """5,138,102 rows, right and wrong ones."""

    name = "numinamath-cot5m"
    help = "NuminaMath-QwQ-CoT-5M: 5 million long solutions to competition problems, those that are right"
    hub = Hub("PrimeIntellect/NuminaMath-QwQ-CoT-5M", splits=TRAIN, streaming=True)
    splits = ("train",)
    columns = ("problem_id", "prompt", "response", "ground_truth", "correct")
    extractor = "math"
    Options = late("verdicts:VerdictOptions")
    read = late("numinamath:read")


class UltraChat(Published):
    """`train` and `test` are the hub's splits for fine-tuning, the other two those for ranking answers."""

    name = "ultrachat"
    help = "UltraChat-200k: conversations of several turns"
    hub = Hub(
        "HuggingFaceH4/ultrachat_200k",
        splits={"train": "train_sft", "test": "test_sft", "train_gen": "train_gen", "test_gen": "test_gen"},
    )
    splits = ("train", "test", "train_gen", "test_gen")
    columns = ("prompt", "prompt_id", "messages")
    read = late("ultrachat:read")


class TheStack(Published):
    """A variant is one language's folder, such as `data/python`.

    The hub asks for its terms to be accepted and for a token (`hf auth login`).
    """

    name = "the-stack-dedup"
    help = "The Stack (dedup): 237 million source files, streamed; one language: the-stack-dedup/python"
    splits = ("train",)
    columns = late("code:STACK_COLUMNS")
    read = late("code:read_content")

    def __init__(self, language: str = "") -> None:
        folder = f"data/{language}" if language else ""
        self.hub = Hub("bigcode/the-stack-dedup", splits=TRAIN, data_dir=folder, streaming=True)

    def variants(self) -> Sequence[str]:
        return _languages()

    def variant(self, name: str) -> TheStack:
        """One language."""
        _check_language(self.name, name)
        return TheStack(name)


class GitHubCode(Published):
    """A variant is one language, told by how the path ends; other rows are left out as they stream by.

    `codeparrot/github-code` is a loading script, which is no longer run. The mirror has the parquet files that it
    reads, in which `code` is still called `content`, and `language` is not there.
    """

    name = "github-code"
    help = "GitHub Code: 115 million source files, streamed; one language: github-code/python"
    hub = Hub(
        "codeparrot/github-code",
        splits=TRAIN,
        streaming=True,
        mirrors=(Hub("macrocosm-os/code-parrot-github-code", splits=TRAIN, streaming=True),),
    )
    splits = ("train",)
    columns = ("code", "repo_name", "path", "language", "license", "size")

    def __init__(self, language: str = "") -> None:
        self.language = language

    def read(self, row: Any, options: Any) -> Any:
        """The file of a row, if it is of the language."""
        from reason_datasets.code import read_path

        return read_path(row, self.language)

    def variants(self) -> Sequence[str]:
        return _languages()

    def variant(self, name: str) -> GitHubCode:
        """One language."""
        _check_language(self.name, name)
        return GitHubCode(name)


def _languages() -> Sequence[str]:
    from reason_datasets.code import LANGUAGES

    return tuple(LANGUAGES)


def _check_language(dataset: str, name: str) -> None:
    if name not in _languages():
        raise ReasonError(f"{dataset} has no variant {name!r}", f"it has {', '.join(_languages())}")
