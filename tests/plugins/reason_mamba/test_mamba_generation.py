"""Generation: a state of constant size that equals reading everything again."""

from itertools import pairwise

import pytest
import torch
from test_mamba_model import padded


@pytest.fixture
def rows(config):
    return [torch.randint(3, config.vocab_size, (length,)) for length in (2, 9, 30)]


def test_token_by_token_equals_all_at_once(model, ids):
    with torch.no_grad():
        want = model(ids).logits
        cache, got = None, []
        for t in range(ids.shape[1]):
            output = model(ids[:, t : t + 1], cache_params=cache, use_cache=True)
            cache = output.cache_params
            got.append(output.logits)
    assert (torch.cat(got, 1) - want).abs().max() < 1e-5
    assert cache.seen == ids.shape[1]


@pytest.mark.parametrize("cuts", [(1, 2), (5, 33), (13, 14), (40, 41)])
def test_a_prompt_may_come_in_pieces(model, ids, cuts):
    edges = [0, *cuts, ids.shape[1]]
    with torch.no_grad():
        want = model(ids).logits
        cache, got = None, []
        for start, end in pairwise(edges):
            if end > start:
                output = model(ids[:, start:end], cache_params=cache, use_cache=True)
                cache = output.cache_params
                got.append(output.logits)
    assert (torch.cat(got, 1) - want).abs().max() < 1e-5


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_padded_piece_leaves_the_state_of_its_last_real_token(model, rows, side):
    ids, mask, _ = padded(rows, side)
    following = torch.randint(3, 80, (3, 4))
    with torch.no_grad():
        cache = model(ids, attention_mask=mask, use_cache=True).cache_params
        got = model(following, cache_params=cache, use_cache=True).logits
        for i, row in enumerate(rows):
            want = model(torch.cat([row, following[i]])[None]).logits[0, len(row) :]
            assert (got[i] - want).abs().max() < 1e-5


def test_the_state_does_not_grow(model, ids):
    with torch.no_grad():
        short = model(ids[:, :5], use_cache=True).cache_params
        long = model(ids, use_cache=True).cache_params
    shapes = [[(c.shape, s.shape) for c, s in zip(cache.conv, cache.ssm, strict=True)] for cache in (short, long)]
    assert shapes[0] == shapes[1] == [((2, 3, 48), (2, 48, 5))] * 3
    assert all(state.untyped_storage().nbytes() <= 2 * 48 * 5 * 16 for state in long.ssm)
    assert all(state.untyped_storage().nbytes() <= 2 * 48 * 3 * 4 for state in long.conv)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("how", [{}, {"use_cache": False}, {"num_beams": 3}], ids=["cached", "uncached", "beams"])
@pytest.mark.filterwarnings("ignore")
def test_a_padded_batch_generates_what_single_rows_do(model, rows, side, how):
    ids, mask, _ = padded(rows, side)
    how = how | {"max_new_tokens": 10, "do_sample": False}
    together = model.generate(ids, attention_mask=mask, **how)
    assert torch.equal(together[:, : ids.shape[1]], ids)
    for i, row in enumerate(rows):
        alone = model.generate(row[None], attention_mask=torch.ones(1, len(row), dtype=torch.long), **how)
        assert torch.equal(together[i, ids.shape[1] :][: alone.shape[1] - len(row)], alone[0, len(row) :])


def test_cached_and_uncached_generation_agree(model, ids):
    greedy = {"max_new_tokens": 15, "do_sample": False}
    assert torch.equal(model.generate(ids, **greedy), model.generate(ids, use_cache=False, **greedy))


def test_sampling_is_seeded(model, ids):
    how = {"max_new_tokens": 12, "do_sample": True, "temperature": 2.0}
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(model.generate(ids, **how))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_generation_goes_on_from_a_given_state(model, ids):
    greedy = {"max_new_tokens": 8, "do_sample": False}
    cache = model(ids[:, :20], use_cache=True).cache_params
    assert torch.equal(model.generate(ids, cache_params=cache, **greedy), model.generate(ids, **greedy))


def test_each_step_reads_one_token(model, ids):
    lengths = []
    hook = model.backbone.embeddings.register_forward_hook(lambda module, inputs, _: lengths.append(inputs[0].shape[1]))
    model.generate(ids, max_new_tokens=6, min_new_tokens=6, do_sample=False)
    hook.remove()
    assert lengths == [41, 1, 1, 1, 1, 1]
