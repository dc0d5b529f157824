"""`reason data list`, `show` and `check` on every dataset that has a name, its rows as published."""

from __future__ import annotations

import json

import pytest
import reason_datasets
from published_rows import PUBLISHED
from support import run, write_rows

FORMATTERS = {formatter.name: formatter for formatter in reason_datasets.register_datasets()}
MADE = ("word-problems@20", "gsm-symbolic@20", "reasoning-gym/chain_sum@20", "sudoku@20", "maze@20")


@pytest.fixture
def spec(request, tmp_path, monkeypatch):
    """What to ask for: the name of a dataset whose rows are in REASON_DATA, or a file of rows."""
    name = request.param
    if name not in PUBLISHED:
        return name
    rows = [row for row, item in PUBLISHED[name] if item is not None]
    if FORMATTERS[name].universal:
        return str(write_rows(tmp_path / "rows.jsonl", rows[:1]))
    write_rows(tmp_path / "data" / name / f"{FORMATTERS[name].splits[0]}.jsonl", rows)
    monkeypatch.setenv("REASON_DATA", str(tmp_path / "data"))
    return name


SPECS = pytest.mark.parametrize("spec", [*sorted(PUBLISHED), *MADE], indirect=True)


@SPECS
def test_show(spec):
    shown = run("data", "show", spec, "-n", "2", "--tokenizer", "bytes").ok().out
    assert shown.count("1. ") >= 1 and "learned" in shown and shown.count("⟦") >= 2


@SPECS
def test_check(spec):
    (found,) = json.loads(run("data", "check", spec, "--tokenizer", "bytes", "--json").ok().out)["sources"]
    assert found["usable"] and found["bad_rows"] == found["unreadable_answers"] == 0, found
    assert found["examples"] + found["conversations"] + found["texts"] == found["rows"] - found["left_out"] > 0
    assert 0 < found["trained_tokens"] <= found["tokens"]


def test_list_has_them_all():
    listed = {one["name"]: one for one in json.loads(run("data", "list", "--json").ok().out)}
    assert set(PUBLISHED) | {name.partition("@")[0].partition("/")[0] for name in MADE} == set(listed)
    for name in PUBLISHED:
        assert listed[name]["columns"] == list(FORMATTERS[name].columns)
