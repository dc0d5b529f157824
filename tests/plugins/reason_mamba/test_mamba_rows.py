"""Rows that come and go: an answer's tokens are the same whatever else is in the batch.

With the `cpu` engine its logits are so to the last bit; plain torch computes the last few numbers of a thread's share
by other instructions.
"""

import random

import pytest
import torch
from reason_mamba import Mamba
from reason_mamba.architecture import MambaOptions

from reason_cli.engine.generate import Decoding, Request, answers
from reason_cli.engine.sampling import Choice
from reason_cli.testing import byte_tokenizer

QUESTIONS = 24


@pytest.fixture(scope="module")
def tokenizer():
    return byte_tokenizer()


@pytest.fixture(params=["torch", "cpu"])
def model(request, tokenizer):
    """Speaks at length, not always of the same, and ends now and then."""
    torch.manual_seed(0)
    model = Mamba().build(MambaOptions(d_model=48, n_layer=2, d_state=8, scan=request.param), tokenizer).eval()
    with torch.no_grad():
        model.lm_head.weight = torch.nn.Parameter(torch.randn(len(tokenizer), 48))
        model.backbone.embeddings.weight.mul_(20)
        for layer in model.backbone.layers:
            layer.mixer.out_proj.weight.mul_(5)
    return model


@pytest.fixture
def requests():
    draw = random.Random(0)
    texts = ["".join(draw.choices("0123456789+ ?", k=draw.randrange(1, 60))) for _ in range(QUESTIONS)]
    return [Request(text, seed) for seed, text in enumerate(texts)]


@pytest.fixture
def bits(monkeypatch):
    """The logits that each answer was chosen from, by the seed of its request: every byte of them."""
    seen = {}
    chosen = Choice.__call__

    def spy(self, logits, places, rows):
        for place, row in zip(places, rows, strict=True):
            seen.setdefault((tuple(row.prompt), row.seed), []).append(logits[place].numpy().tobytes())
        return chosen(self, logits, places, rows)

    monkeypatch.setattr(Choice, "__call__", spy)
    return seen


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_an_answer_is_the_same_in_any_company(model, tokenizer, requests, temperature, bits):
    def given(some, batch_size):
        bits.clear()
        how = Decoding(batch_size, max_new_tokens=24, temperature=temperature, top_p=0.95)
        found = {some[index].seed: one for index, one in answers(model, tokenizer, some, how)}
        exact = model.scan_engine.name == "cpu"
        return found, {seed: b"".join(said) if exact else b"" for (_, seed), said in bits.items()}

    whole, logits = given(requests, 64)
    assert len(set(whole.values())) > QUESTIONS // 2
    assert any(one.finished for one in whole.values())
    shuffled = random.Random(1).sample(requests, len(requests))
    for some, batch_size in ((shuffled, 64), (requests, 5), (shuffled[:11], 17), (requests[3:4], 1)):
        seeds = [request.seed for request in some]
        assert given(some, batch_size) == ({s: whole[s] for s in seeds}, {s: logits[s] for s in seeds})
