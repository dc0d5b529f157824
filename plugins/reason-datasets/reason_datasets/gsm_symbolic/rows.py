"""Problems of reasoning-gym's `gsm_symbolic`, each once, without those whose solution is not sound."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from importlib import import_module
from random import Random
from types import ModuleType
from typing import Any

from reason_cli import ReasonError
from reason_datasets.gsm_symbolic import MARK
from reason_datasets.splits import check_split, key_of, owner_of

ROUND = 1_000  # problems asked for at a time
PATIENCE = 20_000  # so many problems in a row without a new one mean that the templates are used up

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


def _reasoning_gym() -> ModuleType:
    try:
        return import_module("reasoning_gym")  # takes seconds, and not everyone needs it
    except ImportError as error:
        raise ReasonError(
            f"gsm-symbolic needs reasoning-gym, which cannot be imported: {error}",
            hint="pip install reasoning-gym",
        ) from error


def rows(split: str, splits: tuple[str, ...], rng: Random) -> Iterator[Mapping[str, Any]]:
    """Rows of `split`, one of `splits`, until the templates leave no new problem. Raises `ReasonError`."""
    check_split("gsm-symbolic", split, splits)
    return _rows(_reasoning_gym(), split, splits, rng)


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
