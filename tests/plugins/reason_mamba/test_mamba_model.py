"""The model: stock checkpoints both ways, padding, the loss, precision, and what training relies on."""

import math

import pytest
import torch
import transformers
from reason_mamba import model as mamba
from reason_mamba.model import MambaForCausalLM, MambaModel

from reason_cli import linear_cross_entropy


def padded(rows, side):
    """Rows of different lengths as one batch: ids, mask, and each row's place."""
    width = max(len(row) for row in rows)
    ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    places = [slice(width - len(row), width) if side == "left" else slice(0, len(row)) for row in rows]
    for i, (row, place) in enumerate(zip(rows, places, strict=True)):
        ids[i, place], mask[i, place] = row, 1
    return ids, mask, places


@pytest.fixture
def rows(config):
    return [torch.randint(3, config.vocab_size, (length,)) for length in (1, 7, 33, 20)]


# ---- checkpoints are transformers' own


def test_stock_transformers_reads_our_checkpoint(model, ids, tmp_path):
    model.save_pretrained(tmp_path)
    stock, info = transformers.MambaForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    with torch.no_grad():
        assert (stock.eval()(ids).logits - model(ids).logits).abs().max() < 1e-4
    greedy = {"max_new_tokens": 12, "do_sample": False}
    assert torch.equal(stock.generate(ids, **greedy), model.generate(ids, **greedy))


def test_we_read_a_stock_checkpoint(config, ids, tmp_path):
    stock = transformers.MambaForCausalLM(config).eval()
    stock.save_pretrained(tmp_path)
    ours, info = MambaForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    with torch.no_grad():
        assert (stock(ids).logits - ours.eval()(ids).logits).abs().max() < 1e-4


def test_an_untied_head_survives(config, ids, tmp_path):
    config.tie_word_embeddings = False
    model = MambaForCausalLM(config).eval()
    assert model.lm_head.weight is not model.backbone.embeddings.weight
    model.save_pretrained(tmp_path)
    stock = transformers.MambaForCausalLM.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert (stock(ids).logits - model(ids).logits).abs().max() < 1e-4


def test_the_scan_engine_stays_out_of_the_checkpoint(model, tmp_path):
    model.set_scan_engine("torch")
    assert model.scan_engine.name == "torch"
    model.save_pretrained(tmp_path)
    assert "engine" not in (tmp_path / "config.json").read_text()
    assert MambaForCausalLM.from_pretrained(tmp_path).scan_engine.name == "cpu"


def test_engines_agree(config, ids):
    model = MambaForCausalLM(config)
    found = {}
    for name in ("torch", "cpu"):
        model.set_scan_engine(name)
        model.zero_grad()
        loss = model(ids, labels=ids).loss
        loss.backward()
        found[name] = [loss.detach(), *(parameter.grad.clone() for parameter in model.parameters())]
    for one, other in zip(found["torch"], found["cpu"], strict=True):
        assert (one - other).abs().max() <= 1e-4 * one.abs().max()


# ---- padding


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_padded_batch_equals_single_rows_in_logits(model, rows, side):
    ids, mask, places = padded(rows, side)
    with torch.no_grad():
        logits = model(ids, attention_mask=mask).logits
        for i, (row, place) in enumerate(zip(rows, places, strict=True)):
            assert (logits[i, place] - model(row[None]).logits[0]).abs().max() < 1e-5


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_padded_batch_equals_single_rows_in_loss_and_gradients(model, rows, side):
    ids, mask, _ = padded(rows, side)
    labels = ids.masked_fill(mask == 0, -100)
    model.train()

    def gradients(**batch):
        model.zero_grad()
        loss = model(**batch, num_items_in_batch=50).loss
        loss.backward()
        return [loss.detach(), *(parameter.grad.clone() for parameter in model.parameters())]

    together = gradients(input_ids=ids, attention_mask=mask, labels=labels)
    alone = [gradients(input_ids=row[None], labels=row[None]) for row in rows]
    for whole, *parts in zip(together, *alone, strict=True):
        assert (whole - sum(parts)).abs().max() <= 1e-4 * whole.abs().max() + 1e-7


def test_what_stands_in_the_padding_does_not_matter(model, rows):
    ids, mask, _ = padded(rows, "left")
    noise = torch.where(mask == 0, torch.randint(3, 80, ids.shape), ids)
    with torch.no_grad():
        clean, noisy = (model(x, attention_mask=mask).logits for x in (ids, noise))
        unmasked = model(noise).logits
    real = mask.bool()
    assert torch.equal(clean[real], noisy[real])
    assert (clean[real] - unmasked[real]).abs().max() > 1e-2  # without the mask it would matter


# ---- the loss


class OtherHead(torch.nn.Linear):
    """What an adapter or a quantised layer is to the model: no plain linear layer."""


@pytest.mark.parametrize("kind", [torch.nn.Linear, OtherHead])
def test_in_training_only_trained_positions_reach_the_head(model, ids, kind, monkeypatch):
    model.lm_head.__class__ = kind
    labels = ids.clone()
    labels[:, :20] = -100
    chunked, called = [], []

    def watched(hidden, weight, targets):
        chunked.append(len(hidden))
        return linear_cross_entropy(hidden, weight, targets)

    monkeypatch.setattr(mamba, "linear_cross_entropy", watched)
    model.lm_head.register_forward_hook(lambda module, inputs, output: called.append(output.shape))
    evaluated = model(ids, labels=labels)
    model.train()
    trained = model(ids, labels=labels)
    assert trained.logits is None
    assert evaluated.logits.shape == (2, 41, 89)
    assert (chunked, called[1:]) == (([2 * 21], []) if kind is torch.nn.Linear else ([], [(2 * 21, 89)]))
    assert torch.allclose(trained.loss, evaluated.loss, atol=1e-6)
    scores = evaluated.logits[:, :-1].flatten(0, 1)
    assert torch.allclose(trained.loss, torch.nn.functional.cross_entropy(scores, labels[:, 1:].flatten()), atol=1e-6)


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_are_those_of_the_loss_from_whole_logits_tied_or_not(config, ids, tied):
    config.tie_word_embeddings = tied
    model = MambaForCausalLM(config).train()
    assert (model.lm_head.weight is model.backbone.embeddings.weight) == tied

    def gradients():
        model.zero_grad()
        model(ids, labels=ids).loss.backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    chunked = gradients()
    model.lm_head.__class__ = OtherHead
    for ours, plain in zip(chunked, gradients(), strict=True):
        assert (ours - plain).abs().max() <= 1e-5 * plain.abs().max()


def test_accumulated_micro_batches_equal_one_batch(model, rows):
    model.train()
    ids, mask, _ = padded(rows, "right")
    labels = ids.masked_fill(mask == 0, -100)
    items = (labels[:, 1:] != -100).sum()

    def gradient(slices):
        model.zero_grad()
        for part in slices:
            model(ids[part], attention_mask=mask[part], labels=labels[part], num_items_in_batch=items).loss.backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    whole, pieces = gradient([slice(None)]), gradient([slice(0, 1), slice(1, 3), slice(3, 4)])
    assert all((a - b).abs().max() <= 1e-5 * a.abs().max() + 1e-8 for a, b in zip(whole, pieces, strict=True))
    model.zero_grad()
    model(ids, attention_mask=mask, labels=labels).loss.backward()
    mean = [parameter.grad for parameter in model.parameters()]
    assert all((a - b).abs().max() <= 1e-5 * a.abs().max() + 1e-8 for a, b in zip(whole, mean, strict=True))


def test_a_batch_without_a_trained_token_has_loss_zero(model, ids):
    model.train()
    loss = model(ids, labels=torch.full_like(ids, -100)).loss
    loss.backward()
    assert loss.item() == 0.0
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in model.parameters())


def test_logits_to_keep(model, ids):
    full = model(ids).logits
    assert torch.allclose(model(ids, logits_to_keep=1).logits, full[:, -1:], atol=1e-5)
    assert torch.allclose(model(ids, logits_to_keep=torch.tensor([3, 5])).logits, full[:, [3, 5]], atol=1e-5)
    assert model(ids, labels=ids, logits_to_keep=1).loss.item() == pytest.approx(model(ids, labels=ids).loss.item())


# ---- training: initialisation, precision, decay, checkpointing, dropout


def test_initialisation_follows_the_paper(config):
    config.num_hidden_layers = 4
    model = MambaForCausalLM(config)
    assert model.backbone.embeddings.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert model.lm_head.weight is model.backbone.embeddings.weight
    mixer = model.backbone.layers[0].mixer
    assert torch.allclose(mixer.A_log.exp(), torch.arange(1.0, 6.0).expand(48, 5))
    assert torch.equal(mixer.D, torch.ones(48))
    dt = torch.nn.functional.softplus(mixer.dt_proj.bias)
    assert 0.001 * 0.99 <= dt.min() < 0.01 < dt.max() <= 0.1 * 1.01
    assert mixer.out_proj.weight.abs().max() <= 1 / math.sqrt(48 * 4)
    loss = model(torch.randint(3, 89, (4, 50)), labels=torch.randint(3, 89, (4, 50))).loss
    assert loss.item() == pytest.approx(math.log(89), rel=0.05)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_parameters_that_need_it_stay_float32(model, ids, dtype, tmp_path):
    model.save_pretrained(tmp_path)
    half = MambaForCausalLM.from_pretrained(tmp_path, dtype=dtype)
    for name, parameter in half.named_parameters():
        exact = name.endswith(("A_log", ".D", "dt_proj.bias"))
        assert parameter.dtype == (torch.float32 if exact else dtype), name
    with torch.no_grad():
        difference = (half.eval()(ids).logits - model(ids).logits).abs().max()
    assert difference < 0.1 * model(ids).logits.abs().max()
    assert half.backbone.embeddings.weight.dtype == dtype


def test_no_decay_marks_survive_loading_and_moving(config, tmp_path):
    fresh = MambaForCausalLM(config)
    fresh.save_pretrained(tmp_path)
    loaded = MambaForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    for model in (fresh, loaded, loaded.float()):
        marked = {name for name, parameter in model.named_parameters() if getattr(parameter, "_no_weight_decay", False)}
        assert {f"backbone.layers.{i}.mixer.{p}" for i in range(3) for p in ("A_log", "D", "dt_proj.bias")} <= marked
        assert not any(name.endswith(("proj.weight", "embeddings.weight", "conv1d.weight")) for name in marked)


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_recomputes_and_changes_nothing(model, ids, reentrant):
    model.train()
    calls = []
    hook = model.backbone.layers[1].mixer.register_forward_pre_hook(lambda *_: calls.append(1))

    def gradients():
        calls.clear()
        model.zero_grad()
        model(ids, labels=ids).loss.backward()
        return [parameter.grad.clone() for parameter in model.parameters()], len(calls)

    plain, once = gradients()
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    checkpointed, twice = gradients()
    hook.remove()
    assert (once, twice) == (1, 2)
    assert all((a - b).abs().max() <= 1e-5 * a.abs().max() for a, b in zip(plain, checkpointed, strict=True))


def test_dropout_is_ours_and_only_in_training(config, ids):
    config.dropout = 0.5
    model = MambaForCausalLM(config)
    with torch.no_grad():
        assert not torch.equal(model.backbone(ids)[0], model.backbone(ids)[0])
        model.eval()
        assert torch.equal(model.backbone(ids)[0], model.backbone(ids)[0])


def test_autocast_gives_nearly_the_same(model, ids):
    model.train()
    exact = model(ids, labels=ids).loss
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(ids, labels=ids).loss
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=0.02)
    assert all(parameter.grad.dtype == torch.float32 for parameter in model.parameters())
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_it_learns(config):
    model = MambaForCausalLM(config)
    ids = torch.randint(3, 89, (4, 24))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(40):
        loss = model(ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_the_backbone_takes_what_trainers_pass(model, ids):
    outputs = model.backbone(ids, position_ids=torch.arange(41)[None], use_cache=False, output_hidden_states=True)
    assert len(outputs.hidden_states) == 4
    assert torch.equal(outputs.hidden_states[-1], outputs.last_hidden_state)
    assert outputs.cache_params is None
    assert model.base_model_prefix == "backbone" and model.base_model is model.backbone
    assert model.get_output_embeddings() is model.lm_head
    assert isinstance(model(ids, return_dict=False), tuple)
    embedded = model.backbone.embeddings(ids)
    assert torch.equal(model(inputs_embeds=embedded).logits, model(ids).logits)
    with pytest.raises(ValueError, match="either"):
        model(ids, inputs_embeds=embedded)


def test_a_projection_that_adds_its_own_bias_is_not_given_it_twice(model, ids):
    """As when a quantised layer takes the step projection's place."""
    want = model(ids).logits
    for layer in model.backbone.layers:
        plain = torch.nn.Linear(3, 48)
        plain.load_state_dict(layer.mixer.dt_proj.state_dict())
        layer.mixer.dt_proj = plain
    assert (model(ids).logits - want).abs().max() < 1e-5


def test_the_backbone_alone_loads(config, ids, tmp_path):
    model = MambaForCausalLM(config).eval()
    model.save_pretrained(tmp_path)
    assert torch.allclose(MambaModel.from_pretrained(tmp_path).eval()(ids)[0], model.backbone(ids)[0], atol=1e-6)


def test_validation_asks_for_the_loss_alone_and_it_is_the_same(model, ids):
    """So that the logits of all positions are never held: `logits` is None, and the head sees trained positions."""
    labels = ids.masked_fill(torch.arange(ids.shape[1]) < 20, -100)
    with torch.no_grad():
        whole, alone = model(ids, labels=labels), model(ids, labels=labels, skip_logits=True)
    assert alone.logits is None and whole.logits.shape[:2] == ids.shape
    assert torch.isclose(alone.loss, whole.loss, rtol=1e-5)
