"""A base small enough to be tuned in a test: a Llama of two layers with the tokenizer `bytes`, saved as any is."""

from __future__ import annotations

import pytest
import torch
from one_thread import one_thread  # noqa: F401
from small_llama import save_llama
from transformers import GPT2Config, GPT2LMHeadModel

from reason_cli.testing import byte_tokenizer


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """The folder of the base."""
    return save_llama(byte_tokenizer(), tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory):
    """The folder of a base whose linear layers have other names, and are `Conv1D`."""
    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    ids = {"bos_token_id": tokenizer.eos_token_id, "eos_token_id": tokenizer.eos_token_id}
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=256, **ids)
    )
    folder = tmp_path_factory.mktemp("gpt2")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
