"""Device, precision and memory: found out where it can be, refused where it is not there."""

from __future__ import annotations

import pytest

from reason_cli.config import HardwareOptions
from reason_cli.engine import hardware
from reason_cli.engine.hardware import Precision, autocast, bf16_gain, pick_device, pick_precision
from reason_cli.errors import ReasonError


@pytest.fixture
def cpu():
    import torch

    threads = torch.get_num_threads()
    yield torch.device("cpu")
    torch.set_num_threads(threads)


def unasked():
    raise AssertionError("the probe costs a few steps: not where its answer is not needed")


@pytest.mark.parametrize("asked", ["fp32", "bf16"])
def test_what_is_asked_for_is_given_without_a_probe(cpu, asked):
    assert pick_precision(asked, cpu, unasked) == Precision(asked, "asked")


def test_a_cpu_without_bfloat16_is_not_probed(cpu, monkeypatch):
    monkeypatch.setattr(hardware, "native_bf16_cpu", lambda: False)
    assert pick_precision("auto", cpu, unasked).name == "fp32"


@pytest.mark.parametrize(("gain", "name"), [(0.5, "fp32"), (1.0, "fp32"), (1.04, "fp32"), (1.2, "bf16"), (3.0, "bf16")])
def test_a_cpu_with_bfloat16_uses_it_where_it_is_faster(cpu, monkeypatch, gain, name):
    monkeypatch.setattr(hardware, "native_bf16_cpu", lambda: True)
    precision = pick_precision("auto", cpu, lambda: gain)
    assert precision.name == name and "measured" in precision.why


def test_evaluation_on_a_cpu_is_float32(cpu):
    assert pick_precision("auto", cpu).name == "fp32"


def test_the_probe_leaves_no_trace(cpu, model, tokenizer):
    import torch

    ids = torch.arange(32).reshape(2, 16)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.random.get_rng_state()
    assert bf16_gain(model, batch, repeats=2) > 0
    assert not model.training and all(p.grad is None for p in model.parameters())
    assert bool((torch.random.get_rng_state() == state).all())
    assert all(bool((before[name] == tensor).all()) for name, tensor in model.state_dict().items())


def test_autocast_computes_products_in_what_was_picked(cpu):
    import torch

    a = torch.ones(4, 4)
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with autocast(Precision(name, ""), cpu):
            assert (a @ a).dtype is dtype


def test_threads_are_set_and_auto_is_what_this_process_may_use(cpu):
    import torch

    pick_device(HardwareOptions(device="cpu", threads=1))
    assert torch.get_num_threads() == 1
    pick_device(HardwareOptions(device="cpu"))
    assert torch.get_num_threads() == hardware.threads()


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ReasonError, match="device 'cuda' was asked for"):
        pick_device(HardwareOptions(device="cuda"))
