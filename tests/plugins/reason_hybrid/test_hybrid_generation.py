"""Generation: steps equal the whole text, far past every window; rows come and go; memory does not grow."""

import pytest
import torch

from reason_cli import RowCache

CLOSE = 1e-4


def tokens(*shape):
    torch.manual_seed(2)
    return torch.randint(0, 256, shape)


@torch.no_grad()
def read(model, ids, sizes, cache=None):
    """ids (b, l) read in pieces of these sizes: all logits, and the cache."""
    found = []
    for piece in ids.split(sizes, dim=1):
        output = model(piece, cache_params=cache, use_cache=True)
        cache = output.cache_params
        found.append(output.logits)
    return torch.cat(found, dim=1), cache


def test_steps_equal_the_whole_text(hybrid, ablation):
    """90 tokens, where the widest window reaches back over 24."""
    model, ids = hybrid(**ablation), tokens(2, 90)
    with torch.no_grad():
        whole = model(ids, use_cache=False).logits
    assert (read(model, ids, [5] + [1] * 85)[0] - whole).abs().max() < CLOSE


def test_steps_equal_the_whole_text_at_the_real_window(hybrid):
    """The default window: the widest scale reaches back over 1,024 tokens, the text is longer."""
    model, ids = hybrid(window=256, n_layer=1), tokens(1, 1300)
    with torch.no_grad():
        whole = model(ids, use_cache=False).logits
    assert (read(model, ids, [1100] + [1] * 200)[0] - whole).abs().max() < CLOSE


@pytest.mark.parametrize("sizes", [[1, 56], [20, 37], [7, 1, 1, 13, 35], [30, 2, 25]], ids=str)
def test_pieces_equal_the_whole_text(hybrid, ablation, sizes):
    model, ids = hybrid(**ablation), tokens(2, 57)
    with torch.no_grad():
        whole = model(ids, use_cache=False).logits
    assert (read(model, ids, sizes)[0] - whole).abs().max() < CLOSE


@pytest.mark.parametrize("side", ["left", "right"])
@torch.no_grad()
def test_a_padded_prompt_goes_on_as_if_it_were_alone(hybrid, ablation, side):
    model, prompts, later = hybrid(**ablation), [tokens(n) for n in (33, 12, 3)], tokens(3, 30)
    ids, mask = torch.zeros(3, 33, dtype=torch.long), torch.zeros(3, 33, dtype=torch.long)
    for i, prompt in enumerate(prompts):
        place = slice(33 - len(prompt), 33) if side == "left" else slice(0, len(prompt))
        ids[i, place], mask[i, place] = prompt, 1
    cache = model(ids, attention_mask=mask, use_cache=True).cache_params
    after = read(model, later, [1] * 20 + [10], cache)[0]
    for i, prompt in enumerate(prompts):
        alone = model(torch.cat([prompt, later[i]])[None], use_cache=False).logits[0, len(prompt) :]
        assert (after[i] - alone).abs().max() < CLOSE, i


def addresses(cache):
    return [tensor.data_ptr() for tensor in cache.tensors() if tensor is not None]


@torch.no_grad()
def test_rows_come_and_go(hybrid, ablation):
    model = hybrid(**ablation)
    texts = [tokens(1, 40), tokens(1, 61)[:, 9:], tokens(1, 80)[:, 40:]]
    caches = [read(model, text, [text.shape[1]])[1] for text in texts]
    assert isinstance(caches[0], RowCache)
    batch = caches[0].keep([0, 0, 0])
    before = addresses(batch)
    batch.put([2, 1], caches[1].keep([0, 0]))
    batch.put([1], caches[2])
    later = tokens(1, 20).expand(3, -1)
    found = read(model, later, [1] * 20, batch)[0]
    assert addresses(batch) == before  # what a captured graph reads and writes
    for i, text in enumerate((texts[0], texts[2], texts[1])):
        whole = model(torch.cat([text, later[:1]], dim=1), use_cache=False).logits[0, text.shape[1] :]
        assert (found[i] - whole).abs().max() < CLOSE, i


def test_memory_is_of_one_size_whatever_was_read(hybrid):
    model = hybrid()
    sizes = {length: read(model, tokens(2, length), [length])[1].nbytes for length in (1, 30, 300)}
    assert len(set(sizes.values())) == 1 and sizes[1] > 0
    cache = read(model, tokens(2, 30), [30])[1]
    assert cache.keep([0]).nbytes * 2 == cache.nbytes


def test_generate_of_transformers_equals_greedy_steps(hybrid):
    model, prompt = hybrid(), tokens(2, 9)
    model.generation_config.eos_token_id = None
    said = model.generate(prompt, max_new_tokens=40, do_sample=False)
    ids = prompt
    for _ in range(40):
        with torch.no_grad():
            ids = torch.cat([ids, model(ids, use_cache=False).logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(said, ids)
