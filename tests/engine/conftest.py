"""What the engine's tests work on: a byte tokenizer and the tiny Llama."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def tokenizer():
    from reason_cli.testing import byte_tokenizer

    return byte_tokenizer()


@pytest.fixture
def model(tokenizer):
    import torch

    from reason_cli.testing import TinyLlama, TinyLlamaOptions

    torch.manual_seed(0)
    return TinyLlama().build(TinyLlamaOptions(max_seq_len=256), tokenizer).eval()
