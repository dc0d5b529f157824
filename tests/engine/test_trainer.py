"""The Trainer's additions: learning rate, order of rows, decay, accumulation."""

from __future__ import annotations

import dataclasses
import time
from itertools import pairwise

import pytest

from reason_cli.api import Example
from reason_cli.config import TrainOptions
from reason_cli.engine.batches import Collator
from reason_cli.engine.chat import Template, encode
from reason_cli.engine.hardware import Precision
from reason_cli.engine.tokens import TokenDataset
from reason_cli.engine.trainer import Clock, ReasonTrainer, arguments, learning_rate_factor
from reason_cli.runs import Run

# --- learning rate ---------------------------------------------------------------------------------------------


def factors(shape, steps=100, warmup=10, clock=None):
    clock = clock or Clock(steps)
    return [learning_rate_factor(step, clock, warmup, shape) for step in range(steps + 1)]


@pytest.mark.parametrize("shape", ["cosine", "linear", "constant"])
def test_the_rate_rises_to_its_peak_and_never_rises_again(shape):
    rates = factors(shape)
    assert rates[:10] == pytest.approx([(n + 1) / 10 for n in range(10)])
    assert max(rates) == 1.0 and all(0 <= rate <= 1 for rate in rates)
    assert all(later <= earlier for earlier, later in pairwise(rates[10:]))


def test_where_the_rate_ends():
    assert factors("cosine")[-1] == pytest.approx(0, abs=1e-9)
    assert factors("linear")[-1] == 0
    assert factors("constant")[-1] == 1


def test_no_warm_up_starts_at_the_peak():
    assert factors("linear", warmup=0)[0] == 1.0


def test_the_clock_ends_the_rate_before_the_steps_do():
    clock = Clock(1_000_000, max_seconds=10.0, begun=time.monotonic() - 9.99)
    assert learning_rate_factor(500, clock, 0, "linear") < 0.01
    clock = Clock(1_000_000, max_seconds=10.0, spent_before=6.0, begun=time.monotonic() - 3.99)
    assert learning_rate_factor(500, clock, 0, "linear") < 0.01, "time spent before a resume counts"


# --- one step ----------------------------------------------------------------------------------------------------


@pytest.fixture
def rows(tokenizer):
    """Four rows whose answers differ much in length, so that a mean of means would be another loss."""
    items = [Example("q" * n, "r" * (n * n), str(n)) for n in (1, 3, 6, 9)]
    return TokenDataset.of(encode(tokenizer, items, Template()))


def trainer_of(model, tokenizer, rows, folder, **options):
    options = dataclasses.replace(TrainOptions(max_steps=1, warmup_steps=0, logging_steps=1), **options)
    return ReasonTrainer(
        clock=Clock(options.max_steps),
        options=options,
        model=model,
        args=arguments(options, Precision("fp32", "asked"), "cpu", Run(folder), evaluates=False, streams=False),
        train_dataset=rows,
        processing_class=tokenizer,
        data_collator=Collator(tokenizer.pad_token_id),
    )


def test_four_batches_of_one_are_one_batch_of_four(model, tokenizer, rows, tmp_path):
    """Loss, gradient norm and the weights after the step."""
    import copy

    outcomes = []
    for size, accumulated in ((4, 1), (1, 4)):
        trainer = trainer_of(
            copy.deepcopy(model), tokenizer, rows, tmp_path / str(size), learning_rate=1e-2, lr_scheduler="constant",
            micro_batch_size=size, gradient_accumulation_steps=accumulated, save_steps=10,
        )  # fmt: skip
        trainer.train()
        log = next(line for line in trainer.state.log_history if "loss" in line)
        outcomes.append((log["loss"], float(log["grad_norm"]), trainer.model.state_dict(), trainer.tokens_seen()))
    whole, parts = outcomes
    assert parts[0] == pytest.approx(whole[0], rel=1e-5)
    assert parts[1] == pytest.approx(whole[1], rel=1e-4)
    for name, weight in whole[2].items():
        assert (parts[2][name] - weight).abs().max() < 1e-4, name
    assert whole[3] == parts[3] == rows.tokens


def test_matrices_decay_and_nothing_else(model, tokenizer, rows, tmp_path):
    trainer = trainer_of(model, tokenizer, rows, tmp_path)
    name, marked = next((n, p) for n, p in model.named_parameters() if "q_proj" in n)
    marked._no_weight_decay = True
    decays = set(trainer.get_decay_parameter_names(model))
    assert decays and name not in decays
    assert decays == {n for n, p in model.named_parameters() if p.ndim >= 2 and n != name}
    optimizer = trainer.create_optimizer()
    groups = {group["weight_decay"]: sum(p.numel() for p in group["params"]) for group in optimizer.param_groups}
    assert set(groups) == {0.0, 0.1}
    assert groups[0.1] == sum(p.numel() for n, p in model.named_parameters() if n in decays)
