"""What the Mamba tests share: a seed, and a tiny model whose answers depend on every token."""

import pytest
import torch
from reason_mamba.model import MambaForCausalLM
from transformers import MambaConfig


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def config():
    return MambaConfig(
        vocab_size=89,
        hidden_size=24,
        num_hidden_layers=3,
        state_size=5,
        time_step_rank=3,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )


@pytest.fixture(params=["torch", "cpu"])
def engine(request):
    return request.param


@pytest.fixture
def model(config, engine):
    """In evaluation mode, with embeddings large enough for decided logits and states that remember for long."""
    model = MambaForCausalLM(config).eval()
    model.set_scan_engine(engine)
    with torch.no_grad():
        model.backbone.embeddings.weight.mul_(30)
        for layer in model.backbone.layers:
            layer.mixer.out_proj.weight.mul_(5)
            layer.mixer.A_log.sub_(2)
    return model


@pytest.fixture
def ids(config):
    return torch.randint(3, config.vocab_size, (2, 41))
