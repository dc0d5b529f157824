"""The hybrid against itself: later tokens, padding and company change nothing; gradients, depth, checkpoints."""

import pytest
import torch
from transformers import AutoModelForCausalLM

CLOSE = 1e-4
LENGTHS = (57, 31, 8, 1)


def logits(model, ids, **arguments):
    with torch.no_grad():
        return model(ids, **arguments).logits


def tokens(*shape):
    torch.manual_seed(1)
    return torch.randint(0, 256, shape)


def padded(rows, side):
    """Rows as one batch: ids, mask, and each row's place."""
    width = max(map(len, rows))
    ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    places = [slice(width - len(row), width) if side == "left" else slice(0, len(row)) for row in rows]
    for i, (row, place) in enumerate(zip(rows, places, strict=True)):
        ids[i, place], mask[i, place] = row, 1
    return ids, mask, places


def test_no_later_token_changes_a_logit(hybrid, ablation):
    """At every position, around the edges of pooled windows and of sliding ones (6 entries: 6, 12 and 24 tokens)."""
    model, ids = hybrid(**ablation), tokens(1, 57)
    others = (ids + 1 + torch.arange(56)[:, None]) % 256  # row t, all of it another text
    later = torch.arange(57) > torch.arange(56)[:, None]
    moved = (logits(model, torch.where(later, others, ids)) - logits(model, ids)).abs().amax(-1)  # (56, 57)
    assert moved[~later].max() < 1e-5
    assert (moved[:, 1:][later[:, 1:]] > 0).all()


def test_a_token_is_seen_at_once_and_as_far_as_the_widest_window(hybrid):
    """So that the test before cannot pass by looking at nothing: without the scan's long memory, through attention."""
    model = hybrid(n_layer=1)
    for parameter in model.backbone.layers[0].mixer.parameters():
        torch.nn.init.zeros_(parameter)
    ids = tokens(1, 57)
    whole = logits(model, ids)
    reach = {}
    for t in (0, 5, 20):
        other = ids.clone()
        other[0, t] = (other[0, t] + 1) % 256
        moved = (logits(model, other) - whole).abs().amax(-1)[0] > 1e-6
        assert not moved[:t].any() and moved[t]
        reach[t] = int(moved.nonzero().max()) - t
    # Its entry of four, numbered n, is seen while the newest is n + 5 at most: up to 24 tokens on, and 3 within it.
    assert all(20 <= far <= 27 for far in reach.values()), reach


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_equals_its_rows(hybrid, ablation, side):
    model = hybrid(**ablation)
    rows = [tokens(length) for length in LENGTHS]
    ids, mask, places = padded(rows, side)
    for cached in (False, True):
        together = logits(model, ids, attention_mask=mask, use_cache=cached)
        for i, (row, place) in enumerate(zip(rows, places, strict=True)):
            assert (together[i, place] - logits(model, row[None])[0]).abs().max() < CLOSE, (i, cached)


def test_documents_in_one_row_do_not_see_each_other(hybrid, ablation):
    model = hybrid(**ablation)
    texts = [tokens(length) for length in (20, 9, 28)]
    positions = torch.cat([torch.arange(len(text)) for text in texts])[None]
    packed = logits(model, torch.cat(texts)[None], position_ids=positions, use_cache=False)[0]
    alone = torch.cat([logits(model, text[None])[0] for text in texts])
    assert (packed - alone).abs().max() < CLOSE


def test_every_parameter_learns_and_a_batch_has_the_gradients_of_its_rows(hybrid, ablation):
    model = hybrid(**{**ablation, "adaptive_depth": 0.0}).train()
    rows = [tokens(length) for length in (40, 23)]
    ids, mask, _ = padded(rows, "right")
    labels = ids.masked_fill(mask == 0, -100)
    items = sum(len(row) - 1 for row in rows)
    model(ids, attention_mask=mask, labels=labels, num_items_in_batch=items).loss.backward()
    together = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    for row in rows:
        model(row[None], labels=row[None], num_items_in_batch=items).loss.backward()
    for name, parameter in model.named_parameters():
        assert together[name].abs().max() > 0, name
        assert torch.allclose(parameter.grad, together[name], atol=1e-5, rtol=1e-3), name


def test_gradient_checkpointing_changes_no_gradient(hybrid):
    model, ids = hybrid().train(), tokens(2, 30)
    found = []
    for checkpointing in (False, True):
        if checkpointing:
            model.gradient_checkpointing_enable()
        model.zero_grad()
        model(ids, labels=ids).loss.backward()
        found.append({name: parameter.grad.clone() for name, parameter in model.named_parameters()})
    for name, gradient in found[0].items():
        assert torch.allclose(gradient, found[1][name], atol=1e-6, rtol=1e-4), name


def test_the_ponder_cost_is_the_mean_depth_and_closes_gates(hybrid):
    ids = tokens(2, 30)
    losses = {}
    for cost in (0.0, 0.5):
        model = hybrid(ponder_cost=cost).train()
        losses[cost] = model(ids, labels=ids).loss
    depth = model.backbone.depth()
    assert 0 < depth < 2 * 3  # two layers of three passes
    assert torch.isclose(losses[0.5] - losses[0.0], 0.5 * depth, atol=1e-4)
    plain = hybrid()
    with torch.no_grad():  # validation watches the loss of the next token alone
        assert torch.equal(
            model.eval()(ids, labels=ids, skip_logits=True).loss, plain(ids, labels=ids, skip_logits=True).loss
        )
    model.train()
    half = model(ids, labels=ids, num_items_in_batch=2 * 2 * 29).loss
    assert torch.isclose(half, losses[0.5] / 2, atol=1e-4)
    before = float(depth.detach())
    optimizer = torch.optim.SGD([p for n, p in model.named_parameters() if "recursion.gate" in n], lr=1.0)
    for _ in range(5):
        optimizer.zero_grad()
        model(ids, labels=ids).loss.backward()
        optimizer.step()
    assert float(model.backbone.depth().detach()) < before


def test_skipped_passes_are_those_under_the_threshold(hybrid):
    """Gates under it count as zero, and where all are, the passes cost nothing: the transform is not called."""
    ids = tokens(2, 30)
    plain, skipping, closed = hybrid(), hybrid(adaptive_depth=0.6), hybrid(adaptive_depth=1.0)
    none = hybrid()
    for layer in none.backbone.layers:
        layer.recursion.passes = 0
    assert not torch.allclose(logits(plain, ids), logits(skipping, ids))
    called = []
    for layer in closed.backbone.layers:
        layer.recursion.out_proj.register_forward_hook(lambda *_: called.append(1))
    assert torch.equal(logits(closed, ids), logits(none, ids)) and not called
    plain.set_adaptive_depth(0.6)
    assert torch.equal(logits(plain, ids), logits(skipping, ids))
    assert not torch.allclose(skipping.train()(ids, labels=ids).loss, skipping.eval()(ids, labels=ids).loss)


def test_checkpoints_load_with_transformers_once_the_package_is_there(hybrid, tmp_path):
    model, ids = hybrid(), tokens(2, 40)
    model.save_pretrained(tmp_path)
    loaded, info = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is type(model) and not any(info.values()), info
    assert torch.equal(logits(loaded.eval(), ids), logits(model, ids))


def test_half_precision_is_close(hybrid):
    model, ids = hybrid(), tokens(2, 40)
    exact = logits(model, ids)
    with torch.autocast("cpu", torch.bfloat16):
        rough = logits(model, ids)
    assert (rough - exact).abs().mean() < 0.05 * exact.std()
