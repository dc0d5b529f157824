"""`mathinstruct`: thirteen collections of maths, solved in words or by a program.

A solution in words that states its answer is an `Example`, one that does not is a `Chat`, and so is a program.
Columns, `source` paths such as `data/PoT/gsm_gpt4.json` and the wording of both kinds are from a survey of the
published rows and from code that tells them apart by that path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reason_cli import Chat, Example, Turn, option
from reason_datasets.answers import boxed, split_marked
from reason_datasets.fields import text_of

PROGRAM = r"^(?:import |from \w+ import |def \w+\(|#)"  # how the programs among them begin


@dataclass(frozen=True)
class MathInstructOptions:
    """Which rows are read."""

    kinds: str = option(
        "all", "solutions in words (reasoning), by a Python program, or both", choices=("all", "reasoning", "programs")
    )


def read(row: Mapping[str, Any], options: MathInstructOptions) -> Example | Chat | None:
    """What a row says; `None` for a kind that is not asked for."""
    question, solution = text_of(row, "instruction"), text_of(row, "output")
    program = _is_program(row.get("source"), solution)
    if options.kinds not in ("all", "programs" if program else "reasoning"):
        return None
    tags = {"kind": "program" if program else "reasoning"}
    reasoning, answer = ("", "") if program else _read(solution)
    if answer:
        return Example(question, reasoning, answer, tags)
    return Chat((Turn("user", question), Turn("assistant", solution)), tags)


def _is_program(source: Any, solution: str) -> bool:
    if isinstance(source, str) and ("/PoT/" in source or "/CoT/" in source):
        return "/PoT/" in source
    return "print(" in solution and re.match(PROGRAM, solution) is not None


def _read(solution: str) -> tuple[str, str]:
    """The reasoning and the answer of a solution in words; an empty answer if it states none."""
    reasoning, answer = split_marked(solution)
    box = boxed(answer) or ("" if answer else boxed(solution))
    return (reasoning or ("" if answer else solution), box or answer)
