"""`gsm-symbolic`: GSM8K-like problems from reasoning-gym's templates, with worked solutions, without end."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from importlib import import_module
from random import Random
from types import ModuleType
from typing import Any

from reason_cli import BadRow, DatasetFormatter, Example, NoOptions, ReasonError
from reason_datasets.fields import text_of
from reason_datasets.splits import check_split, key_of, owner_of

MARK = "####"
# The tokenizer's chat template says how to answer; the question need not.
SUFFIX = " Give the result as your final answer. Do not include units."

ROUND = 1_000  # problems asked for at a time
PATIENCE = 20_000  # so many problems in a row without a new one mean that the templates are used up

_WHOLE_FLOAT = re.compile(r"(?<=\d)\.0+(?![\d.]*\d)")
_SPACES = re.compile(r" {2,}")
_NOISE = re.compile(r"\.\d{5}")
_CURRENCY = re.compile(r"[$£€¥]")
_EQUATION = re.compile(
    r"(?<![-\d.,/*+x×÷(=] )(?<![-\d.,/*+x×÷(])(\d+(?:\.\d+)?) ?([-+*x×/÷]) ?(\d+(?:\.\d+)?) ?="
    r" ?(-?\d+(?:\.\d+)?)(?! ?[-/%*+\d,(]|\.\d)",
    re.ASCII,
)
_OPERATIONS: Mapping[str, Callable[[Fraction, Fraction], Fraction]] = {
    **{"+": operator.add, "-": operator.sub, "/": operator.truediv, "÷": operator.truediv},
    **dict.fromkeys("*x×", operator.mul),
}


class GSMSymbolic(DatasetFormatter):
    """Templates of names, things and numbers; the solution's last line is `#### N`.

    Problems with a false line in their solution (some templates round on the way) are left out, and so are
    those with the noise of binary fractions in them.
    """

    name = "gsm-symbolic"
    help = "GSM8K-like problems made from reasoning-gym's templates, generated without limit"

    def format(self, row: Mapping[str, Any], options: NoOptions) -> Example:
        """What a row says."""
        question, solution = text_of(row, "question"), text_of(row, "solution")
        reasoning, mark, _ = solution.rpartition(MARK)
        if not mark:
            raise BadRow(f"no {MARK!r} at the end of column 'solution'")
        reasoning = _tidy(reasoning)
        return Example(
            question=_tidy(question.removesuffix(SUFFIX)),
            reasoning=reasoning,
            answer=text_of(row, "answer").replace(",", ""),
            tags={"steps": len(reasoning.splitlines())},
        )

    def generate(self, split: str, seed: int, options: NoOptions) -> Iterator[Mapping[str, Any]]:
        """Rows without end, the same for the same split and seed; no question comes twice."""
        check_split(self.name, split, self.splits)
        return _rows(_reasoning_gym(), split, self.splits, Random(f"gsm-symbolic/{split}/{seed}"))


def _reasoning_gym() -> ModuleType:
    try:
        return import_module("reasoning_gym")  # takes seconds, and not everyone needs it
    except ImportError as error:
        raise ReasonError(
            f"gsm-symbolic needs reasoning-gym, which cannot be imported: {error}",
            hint="pip install reasoning-gym",
        ) from error


def _rows(gym: ModuleType, split: str, splits: tuple[str, ...], rng: Random) -> Iterator[Mapping[str, Any]]:
    seen: set[int] = set()
    misses = 0
    while misses < PATIENCE:
        for problem in gym.create_dataset("gsm_symbolic", seed=rng.getrandbits(48), size=ROUND):
            key = key_of(problem["question"])
            if key in seen or owner_of(key, splits) != split or not _sound(problem):
                misses += 1
                continue
            misses = 0
            seen.add(key)
            yield {
                "question": problem["question"],
                "solution": problem["metadata"]["answer_cot"],
                "answer": problem["answer"],
            }


def _tidy(text: str) -> str:
    """`12.0 eggs` as `12 eggs`, and single spaces."""
    return _SPACES.sub(" ", _WHOLE_FLOAT.sub("", text)).strip()


def _sound(problem: Mapping[str, Any]) -> bool:
    """Whether the solution ends with the answer, every line of it that can be checked is true, and no number
    has noise."""
    solution = problem["metadata"]["answer_cot"]
    if _NOISE.search(problem["question"]) or _NOISE.search(solution):
        return False
    stated = solution.rpartition(MARK)[2].strip().replace(",", "")
    try:
        if Fraction(stated) != Fraction(problem["answer"].replace(",", "")):
            return False
    except ValueError:
        return False
    return all(_true(*equation.groups()) for equation in _EQUATION.finditer(_CURRENCY.sub("", solution)))


def _true(left: str, operation: str, right: str, result: str) -> bool:
    if operation in "/÷" and Fraction(right) == 0:
        return False
    return _OPERATIONS[operation](Fraction(left), Fraction(right)) == Fraction(result)
