"""The estimate of memory beside what autograd saves, and the operations beside those that torch counts."""

import pytest
import torch
from reason_mamba.architecture import Mamba, MambaOptions
from saved_tensors import saved_bytes
from torch.utils.flop_counter import FlopCounterMode

from reason_cli import Load
from reason_cli.testing import byte_tokenizer

OPTIONS = MambaOptions(d_model=64, n_layer=3)
ROWS, LENGTH = 2, 200


def built(options):
    tokenizer = byte_tokenizer()
    model = Mamba().build(options, tokenizer).train()
    return model, torch.randint(3, len(tokenizer), (ROWS, LENGTH)), len(tokenizer)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_activations_are_what_autograd_saves(precision, checkpointing, dropout):
    options = MambaOptions(d_model=64, n_layer=3, dropout=dropout)
    model, ids, vocabulary = built(options)
    if checkpointing:
        model.activation_checkpointing_enable()
    estimate = Mamba().estimate(options, Load(vocabulary, ROWS, LENGTH, precision, checkpointing))
    assert saved_bytes(model, ids, precision) == pytest.approx(estimate.activations, rel=0.02)


def test_memory_grows_with_the_tokens_and_the_loss_stops_growing_with_them():
    short, long = (Mamba().estimate(OPTIONS, Load(50_257, 8, length)) for length in (1024, 2048))
    assert long.activations == pytest.approx(2 * short.activations, rel=0.02)
    tokens = 8 * 1024 * OPTIONS.d_model * 4
    assert long.logits - short.logits == 3 * tokens < 0.01 * 8 * 1024 * 50_257 * 4


def test_operations_are_those_of_the_products_and_of_the_scan():
    model, ids, vocabulary = built(OPTIONS)
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        model.eval()(ids)
    products = counted.get_total_flops() / ids.numel()
    e, n, k = OPTIONS.d_inner, OPTIONS.d_state, OPTIONS.d_conv
    estimate = Mamba().estimate(OPTIONS, Load(vocabulary)).flops_per_token
    assert estimate == products + OPTIONS.n_layer * (2 * e * k + 7 * e * n)
