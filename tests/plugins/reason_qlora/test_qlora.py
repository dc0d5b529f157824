"""`--arch qlora`: what is frozen and trained, how a base is held, and what is refused in one line."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch
from reason_qlora.adapter import load_adapter
from reason_qlora.architecture import QLora, QLoraOptions
from reason_qlora.base import load_base
from reason_qlora.census import NF4, census_of
from reason_qlora.presets import PROJECTIONS, SHAPES
from reason_qlora.targets import chosen

from reason_cli import Load, ReasonError
from reason_cli.testing import byte_tokenizer

WHOLE = QLoraOptions(quantization="none", r=4, lora_alpha=8)


def built(base, **options):
    torch.manual_seed(0)
    return QLora().build(replace(WHOLE, base=str(base), **options), byte_tokenizer())


def names(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def needs_nf4():
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")


def test_the_adapter_alone_is_trained_and_begins_as_nothing(base):
    model = built(base)
    assert all("lora_" in name for name in names(model)) and len(names(model)) == 2 * 2 * len(PROJECTIONS)
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        ours, theirs = (m.eval()(ids).logits for m in (model, load_base(replace(WHOLE, base=str(base)), 0)))
    assert torch.equal(ours, theirs)


def test_embeddings_are_trained_and_saved_on_request_alone(base, tmp_path):
    model = built(base, train_embeddings=True)
    assert any("embed_tokens" in name for name in names(model))
    with torch.no_grad():
        model.get_input_embeddings().weight.normal_()
    model.save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    loaded = load_adapter(tmp_path, replace(WHOLE, base=str(base), train_embeddings=True))
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        assert torch.allclose(model.eval()(ids).logits, loaded.eval()(ids).logits, atol=1e-5)


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_a_quantised_base_learns_on_this_machine_and_answers(base, quantization):
    needs_nf4()
    model = built(base, quantization=quantization)
    assert model.reason_held.startswith({"nf4": "4 bit", "int8": "8 bit"}[quantization])
    ids = torch.randint(3, 250, (2, 24))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(8):
        losses.append(model.train()(input_ids=ids, labels=ids).loss)
        losses[-1].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < losses[0] - 0.05
    with torch.no_grad():
        asked = model.eval()(input_ids=ids).logits, model.train()(input_ids=ids).logits
    assert torch.allclose(*asked, atol=0.05), "kernels for evaluation are others than those for training"
    assert all(p.dtype == torch.float32 for p in model.parameters() if p.requires_grad)


def test_four_bits_are_near_the_whole(base):
    needs_nf4()
    ids = torch.arange(3, 90)[None]
    with torch.no_grad():
        whole, four = (built(base, quantization=how).eval()(ids).logits for how in ("none", "nf4"))
    away = float((whole - four).abs().max())
    assert 1e-4 < away < 0.5 * float(whole.abs().max()), "quantised, and not broken"


def test_what_does_not_work_is_told_and_the_next_is_tried(base, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    model = built(base, quantization="auto")
    assert (
        model.reason_held.startswith("not quantised, float32 (nf4: bitsandbytes is missing")
        and "int8: " in model.reason_held
    )
    with pytest.raises(ReasonError, match=r"cannot be held as asked: nf4: bitsandbytes is missing") as error:
        built(base, quantization="nf4")
    assert "model.quantization" in error.value.hint


# --- targets -----------------------------------------------------------------------------------------------------


def test_targets_are_found_where_the_base_has_other_names(base, gpt2):
    other = load_base(replace(WHOLE, base=str(gpt2)), 0)
    assert {name.rpartition(".")[2] for name in chosen(other, PROJECTIONS)} == {"c_attn", "c_proj", "c_fc"}
    model = load_base(replace(WHOLE, base=str(base)), 0)
    assert {name.rpartition(".")[2] for name in chosen(model, ("q_proj", "v_proj"))} == {"q_proj", "v_proj"}
    assert chosen(model, ("layers.0.mlp.up_proj",)) == ["model.layers.0.mlp.up_proj"]
    with pytest.raises(ReasonError, match="no linear layer 'query'") as error:
        chosen(model, ("q_proj", "query"))
    assert "down_proj" in error.value.hint and error.value.usage


# --- counts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"train_embeddings": True}, {"r": 7, "target_modules": ("q_proj",)}])
def test_counts_are_those_of_the_model(base, options):
    model = built(base, **options)
    found = QLora().estimate(replace(WHOLE, base=str(base), **options), Load(len(byte_tokenizer()), 2, 32))
    assert found.trained_parameters == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert found.parameters == model.num_parameters()


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("Qwen/Qwen2.5-1.5B-Instruct", 1.544),
        ("Qwen/Qwen2.5-7B-Instruct", 7.616),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", 1.100),
        ("HuggingFaceTB/SmolLM3-3B", 3.075),
        ("mistralai/Mistral-7B-Instruct-v0.3", 7.248),
    ],
)
def test_the_bases_of_presets_are_known_offline(name, billions):
    """Their makers' counts."""
    vocabulary = SHAPES[name]["vocab_size"]
    census = census_of(replace(WHOLE, base=name), vocabulary)
    assert (census.parameters - census.adapter) / 1e9 == pytest.approx(billions, abs=0.001)


def test_four_bits_weigh_what_they_should():
    options = QLora.presets["qwen2.5-7b"]
    load = Load(SHAPES[options.base]["vocab_size"], 1, 512, "bf16")
    four, whole = (QLora().estimate(replace(options, quantization=how), load) for how in ("nf4", "none"))
    linear = census_of(options, load.vocab_size).linear
    assert whole.weights - four.weights == pytest.approx(linear * (2 - NF4), rel=1e-6)
    assert four.weights / 2**30 == pytest.approx(5.3, abs=0.3), "GiB"


# --- other bases -------------------------------------------------------------------------------------------------


def test_an_adapter_is_not_put_on_another_base(base, tmp_path):
    built(base).save_pretrained(tmp_path)
    with pytest.raises(ReasonError, match=r"was trained on .* not on other/model") as error:
        QLora().load(tmp_path, replace(WHOLE, base="other/model"))
    assert error.value.usage
    with pytest.raises(ReasonError, match="names no base"):
        QLora().load(tmp_path / "nothing", replace(WHOLE, base=str(base)))


def test_a_base_of_another_shape_is_refused(base, gpt2, tmp_path):
    built(base).save_pretrained(tmp_path / "adapter")
    config = tmp_path / "adapter" / "adapter_config.json"
    config.write_text(config.read_text().replace(str(base), f"elsewhere/{base.name}"))
    moved = tmp_path / base.name
    moved.symlink_to(gpt2)
    with pytest.raises(ReasonError, match=r"does not fit|cannot put the adapter"):
        QLora().load(tmp_path / "adapter", replace(WHOLE, base=str(moved)))
