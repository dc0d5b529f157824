"""What fits: the rows that go through a model at a time, of a step whose rows never change."""

from __future__ import annotations

import dataclasses

import pytest

from reason_cli.api import Estimate, Load
from reason_cli.config import HardwareOptions, TrainOptions
from reason_cli.engine import planning
from reason_cli.engine.memory import training_memory
from reason_cli.engine.planning import GIBIBYTE, Fit, budget, card_bytes, fit
from reason_cli.errors import ReasonError
from reason_cli.testing import TinyLlama, TinyLlamaOptions

# --- how much there is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "gib"), [("16gb", 16), ("24", 24), ("15.5", 15.5), ("16 GiB", 16), (" 8G ", 8), ("0.5", 0.5)]
)
def test_the_size_of_a_card(text, gib):
    assert card_bytes(text) == gib * GIBIBYTE


@pytest.mark.parametrize("text", ["", "16tb", "rtx4080", "-4", "0", "nan", "16gb8"])
def test_what_is_no_size_is_refused_in_one_line(text):
    with pytest.raises(ReasonError) as error:
        card_bytes(text)
    assert error.value.usage and f"'{text}'" in str(error.value) and "15.5" in error.value.hint


@pytest.fixture
def is_free(monkeypatch):
    """Sets how much memory is free, in GiB."""
    return lambda gib: monkeypatch.setattr(planning, "free_bytes", lambda device: int(gib * GIBIBYTE))


def gib_of(vram, device, margin=2048):
    import torch

    hardware = HardwareOptions(vram=vram, vram_safety_margin=margin)
    return budget(hardware, torch.device(device) if device else None) / GIBIBYTE


def test_the_budget_is_the_lower_of_card_and_free_memory_less_the_margin(is_free):
    is_free(10)
    assert gib_of("", "cuda") == 8
    assert gib_of("16gb", "cuda") == 8, "a card that is not here cannot be filled"
    assert gib_of("6", "cuda") == 4
    assert gib_of("16gb", None) == 14, "planned for alone"
    assert gib_of("", "cuda", margin=0) == 10
    is_free(1)
    assert gib_of("", "cuda") == 0


def test_on_a_cpu_the_margin_is_at_most_a_quarter(is_free):
    is_free(4)
    assert gib_of("", "cpu") == 3
    assert gib_of("2", "cpu") == 1.5
    is_free(64)
    assert gib_of("", "cpu") == 62


def test_without_a_device_a_card_must_be_named():
    with pytest.raises(ReasonError, match="--vram"):
        budget(HardwareOptions(), None)


# --- how many rows -----------------------------------------------------------------------------------------------


class Weighed(TinyLlama):
    """100 bytes of weights, and 10 for each row, of which recomputing leaves 2."""

    def estimate(self, options, load: Load) -> Estimate:
        each = 2 if load.gradient_checkpointing else 10
        return Estimate(0, 0, 0, 100, 0, each * load.micro_batch_size, 0, 0)


ASKED = TrainOptions(micro_batch_size=8, gradient_accumulation_steps=3)


def rows(bytes_free: int, *, grow=False, length=planning.FEWEST_TOKENS, asked=ASKED, **more) -> Fit:
    return fit(
        Weighed(), TinyLlamaOptions(), asked,
        vocab_size=261, length=length, precision="fp32", device_type="cuda", budget=bytes_free, grow=grow, **more,
    )  # fmt: skip


def shape(found: Fit):
    return found.micro_batch_size, found.gradient_accumulation_steps, found.gradient_checkpointing


def test_as_asked_where_it_fits_and_more_only_where_it_may_grow():
    assert shape(rows(180)) == (8, 3, False)
    assert shape(rows(10_000)) == (8, 3, False)
    assert shape(rows(10_000, grow=True)) == (24, 1, False)
    assert shape(rows(339, grow=True)) == (12, 2, False)


@pytest.mark.parametrize("bytes_free", range(100, 200))
def test_the_rows_of_a_step_are_kept_and_what_is_said_to_fit_fits(bytes_free):
    found = rows(bytes_free)
    assert found.micro_batch_size * found.gradient_accumulation_steps == 24
    load = Load(261, found.micro_batch_size, planning.FEWEST_TOKENS, "fp32", found.gradient_checkpointing)
    assert found.memory == training_memory(Weighed().estimate(None, load))
    assert found.fits == (found.memory.total <= bytes_free) == (bytes_free >= 102)


def test_fewer_rows_are_preferred_to_recomputing_as_long_as_they_keep_a_device_busy():
    assert shape(rows(145)) == (4, 6, False)
    assert shape(rows(145, length=planning.FEWEST_TOKENS // 4)) == (4, 6, False)
    assert shape(rows(125, length=planning.FEWEST_TOKENS // 4)) == (8, 3, True)
    assert shape(rows(125)) == (2, 12, False)
    assert shape(rows(109)) == (4, 6, True), "not one row fits without"


def test_recomputing_is_kept_on_and_off_where_that_was_asked():
    on = dataclasses.replace(ASKED, gradient_checkpointing=True)
    assert shape(rows(10_000, asked=on)) == (8, 3, True)
    off = rows(109, may_checkpoint=False)
    assert shape(off) == (1, 24, False) and not off.fits


def test_the_optimizers_states_and_gradients_that_stay_are_counted():
    """A step in one part has room for gradients where activations were; one in several keeps both."""

    class Trained(TinyLlama):
        def estimate(self, options, load: Load) -> Estimate:
            return Estimate(10, 10, 0, 0, 40, 40 * load.micro_batch_size, 0, 0)

    def found(budget, device_type="cuda", **asked):
        asked = dataclasses.replace(TrainOptions(micro_batch_size=2, gradient_accumulation_steps=1), **asked)
        return fit(
            Trained(), TinyLlamaOptions(), asked,
            vocab_size=261, length=2048, precision="fp32", device_type=device_type, budget=budget, grow=False,
            may_checkpoint=False,
        )  # fmt: skip

    assert found(160).memory.total == 160 and shape(found(160)) == (2, 1, False)
    assert not found(159).fits and found(159).memory.total == 160, "one row of 40, gradients of 40, states of 80"
    assert found(100, optimizer="adamw_8bit").memory.optimizer == 20
    assert found(100, optimizer="adafactor").memory.optimizer == 0
    assert shape(found(187, "cpu")) == (1, 2, False), "on a CPU the heap keeps some of the gradients' 40"
    assert shape(found(188, "cpu")) == (2, 1, False) and found(188, "cpu").memory.heap == 28


def test_what_cannot_fit_says_what_it_needs():
    least = rows(50)
    assert not least.fits and shape(least) == (1, 24, True) and least.memory.total == 102
