"""Memory that runs out: a run goes on with fewer rows at a time, and ends with the weights it would have had."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from reason_cli.api import Example
from reason_cli.config import TrainOptions
from reason_cli.engine.batches import Collator
from reason_cli.engine.callbacks import Rehearsal
from reason_cli.engine.chat import Template, encode
from reason_cli.engine.hardware import Precision
from reason_cli.engine.packing import pack
from reason_cli.engine.parts import parts_of
from reason_cli.engine.shortage import is_out_of_memory
from reason_cli.engine.tokens import IGNORED, TokenDataset
from reason_cli.engine.trainer import Clock, ReasonTrainer, arguments
from reason_cli.errors import ReasonError
from reason_cli.runs import Run
from reason_cli.testing import TinyLlama, TinyLlamaOptions

# --- what it looks like ------------------------------------------------------------------------------------------


def errors():
    import numpy as np

    yield torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    yield RuntimeError("[enforce fail at alloc_cpu.cpp:126] DefaultCPUAllocator: can't allocate memory: 1024 bytes")
    yield RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
    yield RuntimeError("MPS backend out of memory (MPS allocated: 1.00 GB)")
    yield MemoryError()
    yield np._core._exceptions._ArrayMemoryError((2**40,), np.dtype("float32"))
    wrapped = RuntimeError("backend='inductor' raised")
    wrapped.__cause__ = MemoryError()
    yield wrapped


@pytest.mark.parametrize("error", errors(), ids=lambda error: str(error)[:20])
def test_every_library_says_it_in_its_own_words(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError("out of memory"), ReasonError("x")])
def test_other_errors_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)


# --- a batch in parts --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows(tokenizer):
    """24 rows whose lengths differ much."""
    items = [Example("q" * (1 + n % 5), "r" * (3 * n), str(n)) for n in range(24)]
    return TokenDataset.of(encode(tokenizer, items, Template()))


def real(part, pad):
    """The rows of a part without their padding, each as (ids, labels)."""
    kept = (part["input_ids"] != pad) | (part["labels"] != IGNORED)
    ends = [int(row.nonzero().max()) + 1 for row in kept]
    return [
        (i[:end].tolist(), n[:end].tolist()) for i, n, end in zip(part["input_ids"], part["labels"], ends, strict=True)
    ]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_parts_hold_the_same_rows_without_needless_padding(rows, tokenizer, packed, alike, size):
    data = pack(rows, 200, 0, texts_only=False) if packed else rows
    batch = Collator(tokenizer.pad_token_id)([data[row] for row in range(7)])
    parts = parts_of(batch, size, tokenizer.pad_token_id, alike=alike)
    assert [len(part["input_ids"]) for part in parts] == [size] * (7 // size) + [7 % size] * bool(7 % size)
    whole = real(batch, tokenizer.pad_token_id)
    given = [row for part in parts for row in real(part, tokenizer.pad_token_id)]
    assert given == (sorted(whole, key=lambda row: len(row[0])) if alike else whole)
    for part in parts:
        longest = max(len(ids) for ids, _ in real(part, tokenizer.pad_token_id))
        assert {value.shape[1] for value in part.values() if torch.is_tensor(value)} == {longest}
        assert part.keys() == batch.keys()


def test_a_batch_that_fits_is_left_alone(rows, tokenizer):
    batch = Collator(tokenizer.pad_token_id)([rows[0], rows[9]])
    assert parts_of(batch, 2, tokenizer.pad_token_id) == [batch]


# --- training ----------------------------------------------------------------------------------------------------


class Meter:
    """Memory for so many tokens at a time, in a model's forward passes; `where` says at which the error comes."""

    def __init__(self, model, most: int, where: str = "forward") -> None:
        self.seen: list[int] = []
        self.most = most
        self.where = where
        self.model = model
        self.inner = model.forward
        model.forward = self.forward

    def forward(self, *args, **given):
        count = given["input_ids"].numel()
        self.seen.append(len(given["input_ids"]))
        full = count > self.most and (self.model.training or self.where == "validation")
        if full and self.where != "backward":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        output = self.inner(*args, **given)
        if full:
            # The gradient of the embedding comes last: by then every other parameter has its own.
            self.model.get_input_embeddings().weight.register_hook(self._fail)
        return output

    def _fail(self, gradient):
        if self.most < 10**9:
            self.most = 10**9  # once
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")


STEPS = 5
OPTIONS = TrainOptions(
    max_steps=STEPS, warmup_steps=0, logging_steps=1, micro_batch_size=8, learning_rate=1e-2, save_steps=100
)


def trained(
    tokenizer, rows, folder, *, limit: Callable | None = None, rows_at_a_time=0, held_out=None, rehearses=0, **asked
):
    """(A run of a few steps from the same weights, what `limit` made of its model)."""
    options = dataclasses.replace(OPTIONS, **asked)
    torch.manual_seed(0)
    model = TinyLlama().build(TinyLlamaOptions(max_seq_len=256), tokenizer)
    meter = limit(model) if limit else None
    evaluates = held_out is not None
    trainer = ReasonTrainer(
        clock=Clock(options.max_steps),
        options=options,
        micro_batch_size=rows_at_a_time,
        model=model,
        args=arguments(options, Precision("fp32", "asked"), "cpu", Run(folder), evaluates=evaluates, streams=False),
        train_dataset=rows,
        eval_dataset=held_out,
        processing_class=tokenizer,
        data_collator=Collator(tokenizer.pad_token_id),
    )
    if rehearses:
        longest = [rows[int(row)] for row in rows.lengths.argsort()[::-1][: trainer.micro_batch_size]]
        trainer.add_callback(Rehearsal(lambda: trainer.rehearse(longest, rehearses)))
    trainer.train()
    return trainer, meter


def assert_same(one: ReasonTrainer, other: ReasonTrainer) -> None:
    """The same weights, losses and steps."""
    losses = [[line["loss"] for line in t.state.log_history if "loss" in line] for t in (one, other)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5) and len(losses[0]) == STEPS
    assert one.state.global_step == other.state.global_step == STEPS
    assert one.tokens_seen() == other.tokens_seen()
    for (name, a), b in zip(one.model.named_parameters(), other.model.parameters(), strict=True):
        assert (a - b).abs().max() < 1e-5, name


@pytest.fixture(scope="module")
def small(tokenizer, rows, tmp_path_factory):
    """A run with two rows at a time, eight per step, from its start."""
    return trained(tokenizer, rows, tmp_path_factory.mktemp("small"), rows_at_a_time=2)[0]


def test_rows_at_a_time_do_not_change_what_is_learned(small, tokenizer, rows, tmp_path):
    whole, meter = trained(tokenizer, rows, tmp_path, limit=lambda model: Meter(model, 10**9))
    assert meter.seen == [8] * STEPS
    assert_same(small, whole)


def test_a_run_goes_on_with_fewer_rows_at_a_time(small, tokenizer, rows, tmp_path):
    most = int(rows.lengths.max()) * 2
    survivor, meter = trained(tokenizer, rows, tmp_path, limit=lambda model: Meter(model, most))
    assert survivor.micro_batch_size < 8
    shrunk = [line["micro_batch_size"] for line in survivor.state.log_history if "micro_batch_size" in line]
    assert shrunk == [4.0, 2.0] and survivor.micro_batch_size == 2
    assert meter.seen[-4:] == [2] * 4 and survivor.args.per_device_train_batch_size == 8
    assert_same(small, survivor)


def test_what_fails_in_the_middle_of_backward_leaves_no_gradient(small, tokenizer, rows, tmp_path):
    most = int(rows.lengths.max()) * 4
    survivor, meter = trained(tokenizer, rows, tmp_path, limit=lambda model: Meter(model, most, "backward"))
    assert survivor.micro_batch_size == 4 and meter.most == 10**9, "it failed once"
    assert_same(small, survivor)


def test_packed_rows_and_accumulated_steps(tokenizer, rows, tmp_path):
    """Two batches of four packed rows a step, put together to one of eight where memory was thought to allow it."""
    packed = pack(rows, 150, 0, texts_only=False)
    asked = {"micro_batch_size": 4, "gradient_accumulation_steps": 2}
    whole, meter = trained(tokenizer, packed, tmp_path / "a", limit=lambda model: Meter(model, 10**9), **asked)
    assert meter.seen[:2] == [4, 4]
    grown, meter = trained(
        tokenizer, packed, tmp_path / "b", limit=lambda model: Meter(model, 500), rows_at_a_time=8, **asked
    )
    assert meter.seen[0] == 8 and grown.micro_batch_size == 2
    assert_same(whole, grown)


@pytest.mark.parametrize(("rows_per_step", "sizes"), [(8, [4, 2, 1]), (10, [5, 2, 1]), (15, [5, 1]), (7, [1])])
def test_half_the_rows_or_what_divides_those_of_a_step(small, rows_per_step, sizes):
    size, taken = rows_per_step, []
    while size > 1:
        size = small._fewer(size, rows_per_step)
        taken.append(size)
    assert taken == sizes


def test_one_row_that_does_not_fit_ends_the_run_in_one_line(tokenizer, rows, tmp_path):
    with pytest.raises(ReasonError, match="step 1: out of memory with one row at a time") as error:
        trained(tokenizer, rows, tmp_path, limit=lambda model: Meter(model, 3))
    assert "reason plan" in error.value.hint


def test_other_errors_keep_their_traceback(tokenizer, rows, tmp_path):
    def broken(model):
        def forward(**given):
            raise RuntimeError("shapes do not match")

        model.forward = forward

    with pytest.raises(RuntimeError, match="shapes"):
        trained(tokenizer, rows, tmp_path, limit=broken)


def test_validation_goes_on_with_fewer_rows_and_gives_the_same_loss(tokenizer, rows, tmp_path):
    def losses(trainer):
        return [line["eval_loss"] for line in trainer.state.log_history if "eval_loss" in line]

    more = {"held_out": rows, "eval_steps": 2, "max_steps": 4}
    whole, _ = trained(tokenizer, rows, tmp_path / "a", **more)
    most = int(rows.lengths.max()) * 2
    parts, meter = trained(tokenizer, rows, tmp_path / "b", limit=lambda m: Meter(m, most, "validation"), **more)
    assert losses(parts) == pytest.approx(losses(whole), abs=1e-5) and len(losses(whole)) == 2
    assert parts.held_out_batch_size <= 8 and 2 in meter.seen


# --- before the first step ---------------------------------------------------------------------------------------


def with_dropout(model) -> None:
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.3


def test_a_rehearsal_changes_nothing_bit_for_bit(tokenizer, rows, tmp_path):
    without, _ = trained(tokenizer, rows, tmp_path / "a", limit=with_dropout)
    rehearsed, _ = trained(tokenizer, rows, tmp_path / "b", limit=with_dropout, rehearses=1000)
    for (name, a), b in zip(without.model.named_parameters(), rehearsed.model.parameters(), strict=True):
        assert torch.equal(a, b), name
    assert without.tokens_seen() == rehearsed.tokens_seen()


def test_a_rehearsal_on_the_longest_rows_finds_out_before_the_first_step(small, tokenizer, rows, tmp_path):
    most = int(rows.lengths.max()) * 2
    survivor, meter = trained(tokenizer, rows, tmp_path, limit=lambda model: Meter(model, most), rehearses=1000)
    assert meter.seen == [8, 4, 2] + [2] * 4 * STEPS, "no step was begun with more"
    assert survivor.state.log_history[0]["step"] == 0 and survivor.state.log_history[0]["micro_batch_size"] == 4.0
    assert_same(small, survivor)


def test_what_the_optimizer_will_take_is_held_meanwhile(small, tokenizer, rows, tmp_path):
    with pytest.raises(ReasonError, match="one row at a time"):
        trained(tokenizer, rows, tmp_path, rehearses=2**60)
