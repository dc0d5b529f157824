"""Rows that come and go: an answer's tokens are the same whatever else is in the batch.

With the `cpu` engine its logits are so to the last bit; plain torch computes the last few numbers of a thread's share
by other instructions.
"""

import copy
import random

import pytest
import torch
from reason_mamba import Mamba
from reason_mamba.architecture import MambaOptions

from reason_cli.api import RowCache
from reason_cli.engine import slots
from reason_cli.engine.continuous import continuous
from reason_cli.engine.generate import Decoding, Request, answers
from reason_cli.engine.row import Endings, Row
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


def prompts_read(model):
    """The prompts of each forward pass that reads any."""
    read = []
    hook = lambda _, args, given: read.append(given["input_ids"]) if given["input_ids"].shape[1] > 1 else None  # noqa: E731
    model.register_forward_pre_hook(hook, with_kwargs=True)
    return read


def test_answers_to_one_prompt_share_its_reading(model, tokenizer):
    read = prompts_read(model)
    requests = [Request("2 + 2", seed) for seed in range(9)]
    how = Decoding(4, max_new_tokens=6, temperature=2.0)
    given = dict(answers(model, tokenizer, requests, how))
    assert len(read) == 1 and len(set(given.values())) > 5
    assert dict(answers(model, tokenizer, requests[4:5], how))[0] == given[4]


def test_a_free_slot_takes_the_next_prompt(model):
    """Short answers come and go beside a long one: it takes as many steps as by itself."""
    steps = []
    hook = lambda _, args, given: steps.append(given["input_ids"]) if given["input_ids"].shape[1] == 1 else None  # noqa: E731
    model.register_forward_pre_hook(hook, with_kwargs=True)
    lengths = [40] + [3] * 60
    endings = [Endings(None, frozenset(), (), length) for length in lengths]
    rows = [Row(n, [5 + n] * 20, 0, endings[n]) for n in range(61)]
    first = slots.read(model, [rows[0].prompt], 0)
    done = [row.index for row in continuous(model, first, rows, 16, 0, Choice(0.0, 1.0))]
    assert sorted(done) == list(range(61)) and done[-1] == 0
    assert [len(row.said) for row in rows] == lengths
    assert len(steps) == 39


def test_slots_are_given_up_when_nothing_waits_and_the_rest_go_on_as_they_were(model):
    widths = []
    model.register_forward_pre_hook(lambda _, args, given: widths.append(len(given["input_ids"])), with_kwargs=True)

    def said(lengths):
        rows = [Row(n, [5 + n, 40 - n] * 10, n, Endings(None, frozenset(), (), most)) for n, most in enumerate(lengths)]
        first = slots.read(model, [rows[0].prompt], 0)
        return {row.index: row.said for row in continuous(model, first, rows, 64, 0, Choice(2.0, 1.0))}

    whole = said([40] * 40)
    widths.clear()
    cut = said([1 + n * 7 % 40 for n in range(40)])
    assert cut == {n: whole[n][: 1 + n * 7 % 40] for n in range(40)}
    steps = [width for width in widths if width in (48, 32, 16)]
    assert steps == sorted(steps, reverse=True) and set(steps) == {48, 32, 16}


def test_new_weights_are_seen_by_the_next_generation(model, tokenizer, requests):
    how = Decoding(max_new_tokens=8)
    before = dict(answers(model, tokenizer, requests, how))
    with torch.no_grad():
        for layer in model.backbone.layers:
            layer.mixer.A_log.add_(1.0)
            layer.mixer.conv1d.weight.mul_(-1.0)
    after = dict(answers(model, tokenizer, requests, how))
    fresh = copy.deepcopy(model)
    assert before != after == dict(answers(fresh, tokenizer, requests, how))


def test_bfloat16_answers_too(model, tokenizer, requests):
    with torch.autocast("cpu", torch.bfloat16):
        given = dict(answers(model, tokenizer, requests, Decoding(max_new_tokens=8)))
    assert sorted(given) == list(range(QUESTIONS)) and all(one.tokens for one in given.values())


def test_the_cache_satisfies_the_contract(model):
    with torch.no_grad():
        cache = model(torch.randint(3, 80, (3, 9)), use_cache=True).cache_params
    assert isinstance(cache, RowCache)
    assert cache.nbytes == 2 * 3 * (3 * 96 + 8 * 96) * 4
    other = cache.keep([2, 2])
    before = [state.clone() for state in cache.ssm]
    places = [state.data_ptr() for state in (*cache.ssm, *cache.conv)]
    cache.put([1, 0], other)
    for state, old in zip(cache.ssm, before, strict=True):
        assert torch.equal(state, old[[2, 2, 2]])
    assert [state.data_ptr() for state in (*cache.ssm, *cache.conv)] == places


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a CUDA device")
def test_a_captured_step_gives_the_tokens_of_an_eager_one(tokenizer, requests, monkeypatch):
    torch.manual_seed(0)
    model = Mamba().build(MambaOptions(d_model=48, n_layer=2), tokenizer).to("cuda").eval()
    how = Decoding(8, max_new_tokens=24)
    replayed = []
    replay = torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: (replayed.append(1), replay(graph)))
    given = dict(answers(model, tokenizer, requests, how))
    assert replayed
    monkeypatch.setattr(slots, "captured", lambda step: step)
    assert given == dict(answers(model, tokenizer, requests, how))
