"""A base small enough to be tuned in a test: a Llama of two layers with the tokenizer `bytes`, saved as any is."""

from __future__ import annotations

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from reason_cli.testing import byte_tokenizer


@pytest.fixture(autouse=True)
def one_thread():
    """Models this small are slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """The folder of the base."""
    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return saved(LlamaForCausalLM(config), tokenizer, tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory):
    """The folder of a base whose linear layers have other names, and are `Conv1D`."""
    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    ids = {"bos_token_id": tokenizer.eos_token_id, "eos_token_id": tokenizer.eos_token_id}
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=256, **ids)
    )
    return saved(model, tokenizer, tmp_path_factory.mktemp("gpt2"))


def saved(model, tokenizer, folder):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
