r"""Rows per second of `number` on one core, beside lm-evaluation-harness's filter and Math-Verify, and what they read.

    python benchmarks/grading.py [--rows 2000] [--gsm8k]

The rows are GSM8K's solutions as models write them (a think block and a final answer; or prose alone, which falls back
to the last number) from the folder REASON_DATA, else stories of `word-problems`. The filter is the `flexible-extract`
of lm-evaluation-harness's gsm8k task: the last match of its regular expression, and `exact_match` after its marks are
taken out (lm_eval/tasks/gsm8k/gsm8k.yaml, 0.4.13). With --gsm8k, every expected answer is written in every style of
`final_lines.py`, and read by each: how many are right, and how many near values are taken for them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from final_lines import STYLES, altered
from reason_answers.number import Number
from rich.console import Console
from rich.table import Table

Judge = Callable[[str, str], bool]  # whether a text gives the expected answer

ROUNDS = 3
_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
_IGNORED = re.compile(r",|\$|(?s:.*#### )|\.$")

number = Number()


def ours(text: str, expected: str) -> bool:
    """By `number`."""
    found = number.extract(text)
    return found is not None and number.equal(found.value, expected)


def harness(text: str, expected: str) -> bool:
    """By the flexible filter, in one pass for the last match as the harness does it."""
    matches = _FLEXIBLE.findall(text)
    last = next((group for group in matches[-1] if group), "") if matches else "[invalid]"
    return _IGNORED.sub("", last.strip()) == _IGNORED.sub("", expected)


def math_verify() -> Judge | None:
    """By Math-Verify, if it is installed."""
    try:
        from math_verify import parse, verify
    except ImportError:
        return None

    def judge(text: str, expected: str) -> bool:
        return bool(verify(parse(expected), parse(text)))

    return judge


def solutions(count: int) -> list[tuple[str, str]]:
    """Reasoning and expected answer of so many problems."""
    folder = os.environ.get("REASON_DATA")
    if not folder:
        from reason_datasets.word_problems import WordProblems

        stories = WordProblems().generate("test", 0, WordProblems.Options())
        return [(str(row["reasoning"]), str(row["answer"])) for row in islice(stories, count)]
    lines = [line for path in gsm8k_files(folder) for line in path.read_text("utf-8").splitlines()]
    pairs = [json.loads(line)["answer"].rpartition("\n#### ")[::2] for line in lines[:count]]
    return [(re.sub(r"<<[^>]*>>", "", reasoning), answer.replace(",", "")) for reasoning, answer in pairs]


def gsm8k_files(folder: str) -> list[Path]:
    return [Path(folder) / "gsm8k" / f"{split}.jsonl" for split in ("test", "train")]


def speeds(judges: dict[str, Judge], count: int) -> None:
    """Print the rows per second of each on each kind of row, the best of a few rounds in time of the thread."""
    pairs = solutions(count)
    kinds = {
        "think block, final answer": [(f"<think>\n{r}\n</think>\n\n**Final Answer:** {a}", a) for r, a in pairs],
        "solution, #### answer": [(f"{r}\n#### {a}", a) for r, a in pairs],
        "prose, last number": [(f"{r}\nSo it is {a}.", a) for r, a in pairs],
    }
    table = Table("rows", *(f"{name}, rows/s" for name in judges))
    for kind, rows in kinds.items():
        # Math-Verify takes about a millisecond a row; a part of them is enough.
        parts = {name: rows[:200] if name == "Math-Verify" else rows for name in judges}
        table.add_row(kind, *(f"{rate(judge, parts[name]):,.0f}" for name, judge in judges.items()))
    Console().print(table)


def rate(judge: Judge, rows: list[tuple[str, str]]) -> float:
    taken = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        for text, expected in rows:
            judge(text, expected)
        taken.append(time.thread_time() - start)
    return len(rows) / min(taken)


def styles(judges: dict[str, Judge]) -> None:
    """Print the share of expected answers that each reads right in each style, and the near values it accepts."""
    golds = [Fraction(a) for _, a in solutions(10_000)]
    every = {"Math-Verify": 100}  # it takes a millisecond a row
    table = Table("style", *judges, "near values that number accepts")
    totals = {name: [0, 0] for name in judges}
    accepted = 0
    for style, write in STYLES.items():
        cells = []
        for name, judge in judges.items():
            chosen = golds[:: every.get(name, 1)]
            right = sum(judge(write(gold), str(gold)) for gold in chosen)
            totals[name][0] += right
            totals[name][1] += len(chosen)
            cells.append(f"{right / len(chosen):.2%}")
        wrong = sum(ours(write(near), str(gold)) for gold in golds for near in altered(gold))
        accepted += wrong
        table.add_row(style, *cells, str(wrong))
    table.add_section()
    table.add_row("all", *(f"{right / count:.2%}" for right, count in totals.values()), str(accepted))
    Console().print(f"{len(golds):,} answers in {len(STYLES)} styles")
    Console().print(table)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=2_000)
    arguments.add_argument("--gsm8k", action="store_true")
    asked = arguments.parse_args()
    judges: dict[str, Any] = {"number": ours, "lm-eval flexible": harness, "Math-Verify": math_verify()}
    judges = {name: judge for name, judge in judges.items() if judge}
    speeds(judges, asked.rows)
    if asked.gsm8k:
        if not os.environ.get("REASON_DATA"):
            raise SystemExit("set REASON_DATA to the folder that holds gsm8k/train.jsonl and gsm8k/test.jsonl")
        styles(judges)


if __name__ == "__main__":
    main()
