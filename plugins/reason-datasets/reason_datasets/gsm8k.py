"""`gsm8k`: grade-school maths word problems, written and solved by people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reason_cli import BadRow, DatasetFormatter, Example, Hub, option
from reason_datasets.fields import text_of

MARK = "####"
_CALCULATOR = re.compile(r"<<[^<>]*>>")
_ANSWER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)


@dataclass(frozen=True)
class GSM8KOptions:
    """How the solutions are read."""

    calculator: str = option(
        "strip",
        "what becomes of calculator marks such as <<48/2=24>> in solutions",
        choices=("strip", "keep"),
    )


class GSM8K(DatasetFormatter):
    """Solutions end with `#### N`: what stands before it is the reasoning, N is the answer."""

    name = "gsm8k"
    help = "GSM8K: 8,792 grade-school maths problems with solutions written by people"
    hub = Hub("openai/gsm8k", "main")
    Options = GSM8KOptions

    def format(self, row: Mapping[str, Any], options: GSM8KOptions) -> Example:
        """What a row says."""
        question, solution = text_of(row, "question"), text_of(row, "answer")
        reasoning, mark, answer = solution.rpartition(MARK)
        if not mark:
            raise BadRow(f"no {MARK!r} before the answer in column 'answer'")
        reasoning = reasoning.strip()
        if options.calculator == "strip":
            reasoning = _CALCULATOR.sub("", reasoning)
        return Example(question, reasoning, _number(answer), {"steps": len(reasoning.splitlines())})


def _number(text: str) -> str:
    number = text.strip().replace(",", "")
    if not _ANSWER.fullmatch(number):
        raise BadRow(f"what follows {MARK!r} is no number: {text.strip()[:40]!r}")
    return number
