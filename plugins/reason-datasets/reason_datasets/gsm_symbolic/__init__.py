"""`gsm-symbolic`: GSM8K-like problems from reasoning-gym's templates, with worked solutions, without end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reason_cli import BadRow, DatasetFormatter, Example, NoOptions
from reason_datasets.fields import text_of

MARK = "####"
# The tokenizer's chat template says how to answer; the question need not.
SUFFIX = " Give the result as your final answer. Do not include units."

WHOLE_FLOAT = r"(?<=\d)\.0+(?![\d.]*\d)"


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
        # What only making problems needs is loaded only then: listing datasets stays quick.
        from random import Random

        from reason_datasets.gsm_symbolic.rows import rows

        return rows(split, self.splits, Random(f"{self.name}/{split}/{seed}"))


def _tidy(text: str) -> str:
    """`12.0 eggs` as `12 eggs`, and single spaces."""
    return re.sub(" {2,}", " ", re.sub(WHOLE_FLOAT, "", text)).strip()
