"""`gsm8k`: grade-school maths word problems, written and solved by people.

Solutions end with `#### N`: what stands before it is the reasoning, N is the answer (every row was read).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reason_cli import BadRow, Example, calculate, option
from reason_datasets.fields import text_of

MARK = "####"
CALCULATOR = r"<<[^<>]*>>"


@dataclass(frozen=True)
class GSM8KOptions:
    """How the solutions are read."""

    calculator: str = option(
        "strip",
        "what becomes of calculator marks such as <<48/2=24>> in solutions",
        choices=("strip", "keep"),
    )


def read(row: Mapping[str, Any], options: GSM8KOptions) -> Example:
    """What a row says."""
    question, solution = text_of(row, "question"), text_of(row, "answer")
    reasoning, mark, answer = solution.rpartition(MARK)
    if not mark:
        raise BadRow(f"no {MARK!r} before the answer in column 'answer'")
    reasoning = reasoning.strip()
    if options.calculator == "strip":
        reasoning = re.sub(CALCULATOR, "", reasoning)
    return Example(question, reasoning, _number(answer), {"steps": len(reasoning.splitlines())})


def counts(row: Mapping[str, Any], options: GSM8KOptions) -> Mapping[str, int]:
    """Commas in answers, and calculator marks, as the published solutions have them."""
    solution, _, answer = text_of(row, "answer").rpartition(MARK)
    marks = re.findall(CALCULATOR, solution)
    results = [_result(mark) for mark in marks]
    return {
        "answers with a thousands comma": int("," in answer),
        "calculator marks": len(marks),
        "calculator marks that are false": results.count(False),
        "calculator marks without a number for a result": results.count(None),
        "rows without calculator marks": int(not marks),
    }


def _result(mark: str) -> bool | None:
    """Whether a mark's result is that of its expression; `None` if it is no number."""
    expression, _, result = mark[2:-2].rpartition("=")
    if not re.fullmatch(r"-?\$?[\d,]*\.?\d+%?", result):
        return None
    return calculate(expression) == calculate(result)


def _number(text: str) -> str:
    number = text.strip().replace(",", "")
    if not re.fullmatch(r"-?\d+(?:\.\d+)?", number, re.ASCII):
        raise BadRow(f"what follows {MARK!r} is no number: {text.strip()[:40]!r}")
    return number
