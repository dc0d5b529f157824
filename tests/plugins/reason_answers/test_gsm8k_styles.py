"""GSM8K's expected answers, each written in many ways: read right in all of them, and never a near value instead.

All rows in all styles: `python benchmarks/grading.py --gsm8k`. Here each row is written in every sixth style.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from reason_answers.number import Number

_PATH = Path(__file__).parents[3] / "benchmarks" / "final_lines.py"
_SPEC = importlib.util.spec_from_file_location("final_lines", _PATH)
assert _SPEC and _SPEC.loader
final_lines = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(final_lines)

DATA = Path(os.environ.get("REASON_DATA") or "no-such-folder") / "gsm8k"
ROWS, SHARE = 8_792, 0.995
EVERY = 6

number = Number()


def golds() -> list[Fraction]:
    if not DATA.is_dir():
        pytest.skip("REASON_DATA has no gsm8k")
    lines = [line for split in ("train", "test") for line in (DATA / f"{split}.jsonl").read_text("utf-8").splitlines()]
    return [Fraction(json.loads(line)["answer"].rpartition("#### ")[2].replace(",", "")) for line in lines]


def test_every_style_is_read_right_and_no_altered_value_is_accepted() -> None:
    rows = golds()
    assert len(rows) == ROWS
    styles = list(final_lines.STYLES.items())
    assert len(styles) >= 24
    written: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for row, gold in enumerate(rows):
        expected, others = str(gold), list(final_lines.altered(gold))
        for place in range(row % EVERY, len(styles), EVERY):
            name, write = styles[place]
            found = number.extract(write(gold))
            written[name] += 1
            right[name] += bool(found and number.equal(found.value, expected))
            near = write(others[(row + place) % len(others)])
            found = number.extract(near)
            assert not (found and number.equal(found.value, expected)), near
    assert right.total() >= SHARE * written.total()
    assert {name: right[name] / count for name, count in written.items() if right[name] < SHARE * count} == {}


@pytest.mark.parametrize("gold", ["0", "7", "-10", "72", "1200", "-1234", "12345678", "3.5"])
def test_styles_without_data(gold: str) -> None:
    value = Fraction(gold)
    for name, write in final_lines.STYLES.items():
        found = number.extract(write(value))
        assert found and number.equal(found.value, gold), (name, write(value), found)
        for other in final_lines.altered(value):
            found = number.extract(write(other))
            assert not (found and number.equal(found.value, gold)), (name, write(other))
