"""The hybrid's estimate beside what is counted: parameters of every preset, and what autograd saves."""

import dataclasses

import pytest
import torch
from reason_hybrid.architecture import PRESETS, Hybrid, HybridOptions
from saved_tensors import saved_bytes

from reason_cli import Load
from reason_cli.testing import byte_tokenizer

ROWS = 2
OPTIONS = HybridOptions(d_model=64, n_layer=2, n_head=2, n_kv_head=1, head_dim=16, window=16)
PARTS = {
    "whole": {},
    "one scale": {"n_scale": 1},
    "no attention": {"n_scale": 0},
    "no recursion": {"max_recursion_depth": 0},
    "no gates": {"depth_gate": False},
    "dropout": {"dropout": 0.1},
}


@pytest.mark.parametrize("length", [40, 200])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("changes", PARTS.values(), ids=PARTS)
def test_activations_are_what_autograd_saves(changes, precision, length):
    torch.manual_seed(0)
    options = dataclasses.replace(OPTIONS, **{"dropout": 0.0, **changes})
    tokenizer = byte_tokenizer()
    model = Hybrid().build(options, tokenizer).train()
    ids = torch.randint(3, len(tokenizer), (ROWS, length))
    estimate = Hybrid().estimate(options, Load(len(tokenizer), ROWS, length, precision))
    assert estimate.parameters == model.num_parameters()
    assert saved_bytes(model, ids, precision) == pytest.approx(estimate.activations, rel=0.05)


@pytest.mark.parametrize("name", PRESETS)
def test_recomputing_leaves_little_more_than_the_inputs_of_the_layers(name):
    load = Load(50_257, 4, 1024)
    whole = Hybrid().estimate(PRESETS[name], load)
    less = Hybrid().estimate(PRESETS[name], dataclasses.replace(load, gradient_checkpointing=True))
    inputs = 4 * 4 * 1024 * PRESETS[name].d_model * PRESETS[name].n_layer
    assert inputs < less.activations < 1.5 * inputs < 0.1 * whole.activations
