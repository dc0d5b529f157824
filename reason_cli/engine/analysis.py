"""What wrong answers have in common: accuracy by kind of question, and false sums told from false reasoning.

What a question asks for is read from its expected solution, so that the parts are the same for every model. Knows no
file and no model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

from reason_cli.calculator import evaluate
from reason_cli.engine.grading import Sample, shares_by
from reason_cli.engine.steps import equations
from reason_cli.engine.wording import OPERATIONS

MOST_STEPS = 8  # as many or more are one part
WORDS = (20, 40, 60, 80, 120)  # the most words of a question in each part but the last
MAGNITUDES = ((10, "<10"), (100, "10-99"), (1_000, "100-999"), (10_000, "1,000-9,999"))
LARGEST, NEGATIVE, NOT_WHOLE = "≥10,000", "negative", "not whole"
SLIPS = ("arithmetic", "reasoning", "unchecked", "no_answer", "cut_off")
_NUMBER = re.compile(r"[-−]?\$?\s?[\d,]*\.?\d+(?:/\d+)?\s?%?", re.ASCII)

Labels = Callable[[Sample], Iterable[str]]


def breakdown(samples: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    """Accuracy by what the question asks for: a mapping of part to its share (`grading.share`), each in order.

    - `steps`: how many the expected solution takes, 1 to 7 and `8+`; counted are its equations, each chain once, or
      else the tag `steps` is taken.
    - `operation`: `+`, `-`, `×`, `÷`, each with all questions whose solution uses it, and `mixed` with those that
      use several.
    - `length`: words of the question, `1-20` to `121+`.
    - `magnitude`: of the expected answer where it is a number; what is `negative` or `not whole` is in no other part.

    A question of which something is not known is left out there.
    """
    solved = {sample.id: _solution(sample) for sample in _once(samples)}
    return {
        "steps": _parts(samples, lambda s: solved[s.id][0], [*map(str, range(1, MOST_STEPS)), f"{MOST_STEPS}+"]),
        "operation": _parts(samples, lambda s: solved[s.id][1], [*OPERATIONS, "mixed"]),
        "length": _parts(samples, lambda s: [_length(s.question)], _lengths()),
        "magnitude": _parts(
            samples, lambda s: _magnitude(s.expected), [*(n for _, n in MAGNITUDES), LARGEST, NEGATIVE, NOT_WHOLE]
        ),
    }


def errors(samples: Sequence[Sample]) -> dict[str, Any]:
    """What `results.json` keeps of them: wrong answers by kind of slip, accuracy by kind of question."""
    return {"slips": slips(samples), "by": breakdown(samples)}


def slips(samples: Iterable[Sample]) -> dict[str, int]:
    """How many wrong answers each kind of slip has, of `SLIPS`."""
    kinds = [slip(sample) for sample in samples]
    return {kind: kinds.count(kind) for kind in SLIPS}


def slip(sample: Sample) -> str | None:
    """What went wrong with an answer; `None` if it is right.

    `cut_off`: it reached the limit of tokens, so what was read from it is not what it was coming to. `no_answer`:
    none could be read. `arithmetic`: an equation that it wrote is false. `reasoning`: its equations that can be
    checked are true, so they are the wrong ones. `unchecked`: it wrote none that can be.
    """
    if sample.correct:
        return None
    if not sample.finished:
        return "cut_off"
    if sample.predicted is None:
        return "no_answer"
    verdicts = {equation.true for equation in equations(sample.output)}
    if False in verdicts:
        return "arithmetic"
    return "reasoning" if True in verdicts else "unchecked"


def slip_place(sample: Sample) -> tuple[int, int] | None:
    """Where the first false equation stands in the output, `None` if there is none; right answers too may have one."""
    return next((equation.span for equation in equations(sample.output) if equation.true is False), None)


def _once(samples: Iterable[Sample]) -> Iterable[Sample]:
    """One sample of each question."""
    return {sample.id: sample for sample in samples}.values()


def _parts(samples: Sequence[Sample], labels: Labels, order: Sequence[str]) -> dict[str, Any]:
    """The shares of each label, in order; a sample counts under every label that it has."""
    shares = shares_by([(label, sample) for sample in samples for label in labels(sample)])
    return {label: shares[label] for label in order if label in shares}


def _solution(sample: Sample) -> tuple[list[str], list[str]]:
    """The labels of a question by the steps and the operations of its expected solution."""
    found = equations(sample.reasoning)
    count = sum(not equation.goes_on for equation in found) or sample.tags.get("steps")
    used = frozenset[str]().union(*(equation.operations for equation in found))
    operations = [*(sign for sign in OPERATIONS if sign in used), *(["mixed"] if len(used) > 1 else [])]
    return _steps(count), operations


def _steps(count: str | int | None) -> list[str]:
    if not isinstance(count, int) or count < 1:
        return []
    return [str(count) if count < MOST_STEPS else f"{MOST_STEPS}+"]


def _lengths() -> list[str]:
    lows = (1, *(most + 1 for most in WORDS))
    return [*(f"{low}-{most}" for low, most in zip(lows, WORDS, strict=False)), f"{lows[-1]}+"]


def _length(question: str) -> str:
    words = len(question.split())
    return _lengths()[sum(words > most for most in WORDS)]


def _magnitude(expected: str) -> list[str]:
    text = expected.strip()
    value = evaluate(text) if _NUMBER.fullmatch(text) else None
    if value is None:
        return []
    number = Fraction(value)
    if number.denominator != 1:
        return [NOT_WHOLE]
    if number < 0:
        return [NEGATIVE]
    return [next((name for bound, name in MAGNITUDES if number < bound), LARGEST)]
