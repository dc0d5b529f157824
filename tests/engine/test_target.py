"""The machine that is planned for: what it is, what it may give, and when it is not the one that was named."""

from __future__ import annotations

import pytest

from reason_cli.config import HardwareOptions
from reason_cli.engine import target
from reason_cli.errors import ReasonError

GIB = 2**30


@pytest.fixture
def card(monkeypatch):
    """Give this machine a CUDA card of so many GiB, all of them free."""
    import torch

    def card(gib: float) -> torch.device:
        device = torch.device("cuda")
        monkeypatch.setattr(target, "pick_device", lambda options: device)
        monkeypatch.setattr(target, "machine_name", lambda device: "Some Card")
        monkeypatch.setattr(target, "_whole", lambda device: int(gib * GIB))
        monkeypatch.setattr(target, "pick_precision", lambda asked, device: target_precision(asked))
        return device

    return card


def target_precision(asked):
    from reason_cli.engine.hardware import Precision

    return Precision("bf16" if asked == "auto" else asked, "")


@pytest.fixture
def bare(monkeypatch):
    """A machine with a CPU alone."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(("there", "here"), [(15.7, True), (16.0, True), (23.9, False), (8.0, False)])
def test_a_card_of_the_memory_that_is_named_may_be_the_one_meant(card, there, here):
    card(there)
    aim = target.target(HardwareOptions(device="cuda", vram="16gb"), "profile x")
    assert (aim.here is not None) == here and aim.name == ("Some Card" if here else "")
    assert (aim.memory, aim.budget, aim.precision) == (16 * GIB, 14 * GIB, "bf16")


def test_a_card_of_that_memory_without_the_precision_is_another(card, monkeypatch):
    def refused(asked, device):
        raise ReasonError("this GPU has no bf16")

    card(15.0)
    monkeypatch.setattr(target, "pick_precision", refused)
    aim = target.target(HardwareOptions(device="cuda", vram="16gb", precision="bf16"), "profile rtx4080")
    assert aim.here is None and aim.precision == "bf16"


def test_a_card_that_is_not_there_is_planned_for_by_its_memory(bare):
    aim = target.target(HardwareOptions(device="cuda", vram="24", vram_safety_margin=1024), "command line")
    assert aim.here is None and aim.name == ""
    assert (aim.device, aim.memory, aim.budget, aim.precision) == ("cuda", 24 * GIB, 23 * GIB, "bf16")
    assert target.target(HardwareOptions(device="cuda", vram="15", precision="fp16"), "x").precision == "fp16"
    assert target.target(HardwareOptions(device="mps", vram="16"), "x").precision == "fp32"
    with pytest.raises(ReasonError, match="there is no device 'cuda' here; name the card's memory with --vram"):
        target.target(HardwareOptions(device="cuda"), "")


def test_a_cpu_is_here_whatever_memory_is_named_and_keeps_a_margin_of_a_quarter_at_most(bare):
    aim = target.target(HardwareOptions(device="cpu", vram="4"), "command line")
    assert aim.here is not None and (aim.memory, aim.budget) == (4 * GIB, 3 * GIB)
    aim = target.target(HardwareOptions(device="auto", vram="64"), "command line")
    assert aim.device == "cpu" and aim.budget == 62 * GIB


def test_a_precision_that_this_machine_lacks_is_refused(bare):
    with pytest.raises(ReasonError, match="fp16 needs a CUDA device"):
        target.target(HardwareOptions(device="cpu", precision="fp16"), "")


@pytest.mark.parametrize(("there", "warned"), [(8.0, True), (15.7, False), (16.0, False), (80.0, False)])
def test_a_card_smaller_than_the_profile_says_is_told(card, there, warned):
    said = target.smaller_card(HardwareOptions(device="cuda", vram="16gb"), "profile rtx4080", card(there))
    assert bool(said) == warned
    if warned:
        assert said == (
            "profile rtx4080 is for 16 GiB, and this machine's Some Card has 8 GiB: it trains within what there is"
        )


def test_nothing_is_told_where_no_memory_is_named_or_it_is_the_machines(card, bare):
    import torch

    assert not target.smaller_card(HardwareOptions(), "default", card(1.0))
    assert not target.smaller_card(HardwareOptions(vram="1000"), "command line", torch.device("cpu"))
