"""Evaluations that tests make up: flags in, a folder as `reason eval` writes it out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from reason_cli.engine.grading import Sample, summarise

ONE = Sample(
    id=0,
    sample=0,
    question="How many?",
    expected="18",
    predicted="18",
    correct=True,
    strict=True,
    strategy="marker",
    span=(4, 6),
    tokens=3,
    finished=True,
    output="#### 18",
    reasoning="",
    tags={},
)
SETTINGS = {"extractor": "number", "temperature": 0.0, "prompts_sha256": "1" * 64, "weights_sha256": "2" * 64}


def sample(id: int, right: bool, number: int = 0, **changes: Any) -> Sample:
    """One answer to question `id`: 18 where it is right, 17 where it is not."""
    said = {} if right else {"predicted": "17", "correct": False, "strict": False, "output": "#### 17"}
    return replace(ONE, **{"id": id, "sample": number, "question": f"Question {id}?", **said, **changes})


def samples_of(flags: Sequence[bool | Sequence[bool]]) -> list[Sample]:
    """A sample for each flag, or several to a question for each row of flags."""
    rows = [[f] if isinstance(f, (bool, int)) else f for f in flags]
    return [sample(id, bool(right), n) for id, row in enumerate(rows) for n, right in enumerate(row)]


def write_evaluation(folder: Path, samples: Sequence[Sample], **results: Any) -> Path:
    """An evaluation's folder; `results` go over what is counted."""
    folder.mkdir(parents=True)
    said = {"dataset": "sums:test", "checkpoint": "runs/x/final", "model": folder.name, "settings": SETTINGS}
    (folder / "results.json").write_text(json.dumps(said | summarise(samples) | results), encoding="utf-8")
    lines = (json.dumps(asdict(s), ensure_ascii=False) + "\n" for s in samples)
    (folder / "samples.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder
