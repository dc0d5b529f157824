"""Evaluations made up for tests of reports: sums with written-out steps, answered by models of a given skill."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from reason_cli.engine.analysis import breakdown, slips
from reason_cli.engine.graded import Graded
from reason_cli.engine.grading import Sample, summarise

MARKS = {"answer-line": "**Final Answer:** ", "phrase": "So the answer is ", "last-number": "That leaves "}
SETTINGS = {
    "extractor": "number",
    "system_prompt": "",
    "shots": 0,
    "temperature": 0.0,
    "max_new_tokens": 256,
    "prompts_sha256": "5f" * 32,
    "weights_sha256": "a0" * 32,
    "torch": "2.13.0",
}


def evaluation(label: str = "tuned", skill: float = 0.7, n: int = 60, k: int = 1, **results: Any) -> Graded:
    """`n` questions with `k` answers each; the same questions whatever the label."""
    samples = [sample for number in range(n) for sample in _answered(number, label, skill, k)]
    return graded(samples, label, **results)


def graded(samples: list[Sample], label: str = "tuned", **results: Any) -> Graded:
    """These samples as an evaluation read back."""
    found = {
        "dataset": "sums:test",
        "checkpoint": f"runs/{label}/final",
        "model": label,
        **summarise(samples),
        "errors": {"slips": slips(samples), "by": breakdown(samples)},
        "contamination": 0,
        "tokens": sum(s.tokens for s in samples),
        "settings": SETTINGS,
        "data": {"rows": len(samples), "sha256": "12" * 32},
        "timing": {"seconds": 12.5, "tokens_per_second": 1234.5},
    }
    return Graded({**found, **results}, samples, Path("evals") / label)


def sample(**changes: Any) -> Sample:
    """A right answer, changed as told."""
    base = Sample(
        id=0,
        sample=0,
        question="Ada has 2 apples and finds 3. How many has she?",
        expected="5",
        predicted="5",
        correct=True,
        strict=True,
        strategy="answer-line",
        span=(28, 29),
        tokens=9,
        finished=True,
        output="2 + 3 = 5\n\n**Final Answer:** 5",
        reasoning="2 + 3 = 5",
        tags={},
    )
    return replace(base, **changes)


def _answered(number: int, label: str, skill: float, k: int) -> Iterator[Sample]:
    asked, luck = random.Random(number), random.Random(f"{label} {number}")
    a, b, c, level = asked.randint(2, 40), asked.randint(2, 30), asked.randint(1, 9), asked.choice(["easy", "hard"])
    for which in range(k):
        yield sample(
            id=number,
            sample=which,
            question=f"Ben packs {a} boxes with {b} apples in each, of which {c} are eaten. How many are left?",
            expected=str(a * b - c),
            reasoning=f"{a} * {b} = {a * b}\n{a * b} - {c} = {a * b - c}",
            tags={"level": level, "steps": 2 + number % 3},
            **_said(luck, a, b, c, skill),
        )


def _said(luck: random.Random, a: int, b: int, c: int, skill: float) -> dict[str, Any]:
    off = 0 if luck.random() < skill else luck.choice([-10, 1, 3])
    text = f"🍎 {a} * {b} = {a * b}, and {a * b} - {c} = {a * b - c + off}.\n" + "Again. " * luck.randrange(9)
    tokens, ending = len(text) // 3 + 5, luck.random()
    if ending < 0.06:
        return {"output": text, "tokens": 256, "finished": False} | _unread()
    if ending < 0.12:
        return {"output": text + "I do not know.", "tokens": tokens} | _unread()
    strategy = luck.choice([*MARKS, "answer-line"])
    text, value = text + MARKS[strategy], str(a * b - c + off)
    return {
        "output": text + value,
        "tokens": tokens,
        "predicted": value,
        "correct": not off,
        "strict": not off and strategy == "answer-line",
        "strategy": strategy,
        "span": (len(text), len(text) + len(value)),
    }


def _unread() -> dict[str, Any]:
    return {"predicted": None, "correct": False, "strict": False, "strategy": None, "span": None}
