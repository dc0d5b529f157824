"""The Llama's estimate beside what is counted: parameters, and what autograd saves with and without padding."""

import dataclasses

import pytest
import torch
from one_thread import one_thread  # noqa: F401
from reason_llama.architecture import PRESETS, Llama, LlamaOptions
from saved_tensors import saved_by

from reason_cli import Load
from reason_cli.testing import byte_tokenizer

OPTIONS = LlamaOptions(d_model=64, n_layer=2, n_head=4, n_kv_head=2)
SHAPES = {
    "grouped heads": {},
    "as many heads": {"n_kv_head": 4},
    "one head for all": {"n_kv_head": 1},
    "wide": {"mlp_expand": 6.0},
    "a head of its own": {"tie_embeddings": False},
}


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES)
def test_activations_are_what_autograd_saves(changes, precision, rows):
    length, tokenizer = 120, byte_tokenizer()
    options = dataclasses.replace(OPTIONS, **changes)
    model = Llama().build(options, tokenizer).train()
    ids = torch.randint(3, len(tokenizer), (rows, length))
    mask = (torch.arange(length) < torch.tensor([length, 90, 50][:rows])[:, None]).long()
    saved = saved_by(model, lambda: model.model(ids, attention_mask=mask, use_cache=False)[0], precision)
    estimate = Llama().estimate(options, Load(len(tokenizer), rows, length, precision))
    assert estimate.parameters == model.num_parameters()
    assert saved == pytest.approx(estimate.activations, rel=0.03)


@pytest.mark.parametrize("name", PRESETS)
def test_recomputing_leaves_little_more_than_the_inputs_of_the_layers(name):
    options, load = PRESETS[name], Load(50_257, 4, 1024)
    whole = Llama().estimate(options, load)
    less = Llama().estimate(options, dataclasses.replace(load, gradient_checkpointing=True))
    inputs = 4 * 4 * 1024 * options.d_model * options.n_layer
    assert inputs < less.activations < 0.2 * whole.activations
    assert less.working > whole.working, "a block is computed again"


def test_the_loss_is_counted_with_all_logits():
    load = Load(50_257, 4, 1024)
    assert Llama().estimate(OPTIONS, load).logits > 2 * 4 * 4 * 1024 * 50_257
