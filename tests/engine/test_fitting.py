"""The rows of a run that a step is planned for and tried with."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from reason_cli.api import Example
from reason_cli.config import Schema, TrainOptions, resolve
from reason_cli.engine.chat import Template, encode
from reason_cli.engine.fitting import Room, Used, amount
from reason_cli.engine.tokens import TokenDataset
from reason_cli.testing import TinyLlama, TinyLlamaOptions


@pytest.fixture(scope="module")
def rows(tokenizer):
    items = [Example("q", "r" * length, "1") for length in (5, 90, 10, 40)]
    return TokenDataset.of(encode(tokenizer, items, Template()))


def room(rows, device="cpu", free: int | None = 2**30, used=None, **train) -> Room:
    settings = resolve(Schema([("train", TrainOptions)]), [])
    job = SimpleNamespace(
        architecture=TinyLlama(), options=TinyLlamaOptions(), settings=settings, train=TrainOptions(**train)
    )
    return Room(job, torch.device(device), rows, 261, free, used)  # type: ignore[arg-type]


def test_the_longest_rows_come_longest_first(rows):
    own = room(rows)
    assert own.longest == max(rows.lengths)
    assert [len(row["input_ids"]) for row in own.longest_rows(3)] == sorted(rows.lengths, reverse=True)[:3]


def test_a_gpu_takes_all_rows_of_a_step_at_once_and_a_cpu_those_asked_for(rows):
    asked = {"micro_batch_size": 4, "gradient_accumulation_steps": 8}
    assert room(rows, **asked).fit("fp32").micro_batch_size == 4
    assert room(rows, "cuda", **asked).fit("fp32").micro_batch_size == 32
    assert room(rows, "cuda", free=None, **asked).fit("fp32").micro_batch_size == 4, "--no-vram-auto"


def test_a_resumed_run_keeps_its_rows_at_a_time(rows):
    asked = {"micro_batch_size": 8, "gradient_accumulation_steps": 2}
    for device in ("cpu", "cuda"):
        found = room(rows, device, used=Used(2, True), **asked).fit("fp32")
        assert (found.micro_batch_size, found.gradient_accumulation_steps) == (2, 8)
        assert found.gradient_checkpointing
    assert room(rows, used=Used(5, False), **asked).fit("fp32").micro_batch_size == 4, "what divides 16"


def test_a_rehearsal_is_worth_it_where_it_costs_little(rows):
    """One row of the longest in 100 rows of the mean: some two of a hundred."""
    assert not room(rows, max_steps=10, micro_batch_size=1).is_worth_a_rehearsal(
        room(rows, micro_batch_size=1).fit("fp32")
    )
    assert room(rows, max_steps=1000).is_worth_a_rehearsal(room(rows).fit("fp32"))
    assert room(rows, "cuda", max_steps=1).is_worth_a_rehearsal(room(rows).fit("fp32")), "a GPU's cost nothing"
    assert not room(TokenDataset.of([]), "cuda").is_worth_a_rehearsal(room(rows).fit("fp32"))


def test_amounts():
    assert (amount(2**20 * 300), amount(2**30 * 3 // 2)) == ("300 MiB", "1.5 GiB")
