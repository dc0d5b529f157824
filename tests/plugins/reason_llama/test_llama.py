"""`reason train --arch llama`: its checkpoints are plain Hugging Face folders, and a base for an adapter."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from support import run
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from reason_cli import ReasonError

HOW = (
    *("--dataset", "word-problems@60", "--no-decontaminate", "--device", "cpu", "--precision", "fp32"),
    *("--threads", "1", "--micro-batch-size", "2", "--warmup-steps", "1", "--samples", "0"),
    *("--logging-steps", "2", "--save-steps", "2", "--eval-steps", "2"),
)
SIZES = {"d_model": 64, "n_layer": 2, "n_head": 4, "n_kv_head": 2, "max_seq_len": 600}
SHAPE = ("--arch", "llama", *(part for key, value in SIZES.items() for part in ("--set", f"model.{key}={value}")))


def train(folder, *more, steps=4):
    return run("train", *HOW, "--max-steps", steps, "--output", folder, *more)


def asked(folder, *more):
    return run("eval", "word-problems@2", "--checkpoint", folder, "--max-new-tokens", "2", "--no-report", *more)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The folder of a run of four steps."""
    folder = tmp_path_factory.mktemp("base") / "run"
    train(folder, *SHAPE, "--tokenizer", "bytes", "--set", "data.packing=all").ok()
    return folder


def test_a_checkpoint_is_a_plain_folder_of_transformers(base):
    config = json.loads((base / "final" / "config.json").read_text())
    assert (config["model_type"], config["architectures"]) == ("llama", ["LlamaForCausalLM"])
    model = AutoModelForCausalLM.from_pretrained(base / "final")
    assert type(model) is LlamaForCausalLM
    with torch.inference_mode():
        assert model(torch.tensor([[1, 2, 3]])).logits.isfinite().all()


def test_an_interrupted_run_ends_as_if_it_had_not_stopped(base, tmp_path):
    copy = shutil.copytree(base, tmp_path / "run")
    shutil.rmtree(copy / "checkpoints" / "checkpoint-4")
    shutil.rmtree(copy / "final")
    run("train", "--resume", copy).ok()
    whole, resumed = (AutoModelForCausalLM.from_pretrained(folder / "final").state_dict() for folder in (base, copy))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_an_adapter_is_trained_on_it(base, tmp_path):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    chosen = ("model.r=2", "model.max_seq_len=600", f"model.base={base / 'final'}", "model.quantization=nf4")
    result = train(tmp_path / "run", "--arch", "qlora", *(part for each in chosen for part in ("--set", each)))
    assert "4 bit (nf4, doubly quantised)" in result.ok().err
    asked(tmp_path / "run").ok()


def test_a_folder_without_a_run_is_evaluated_as_any_causal_model(base, tmp_path, monkeypatch):
    """The options of the architecture do not know its shape, nor the precision that suits a GPU."""
    folder = shutil.copytree(base / "final", tmp_path / "weights")

    def refuse(*_):
        raise ReasonError("loaded by its architecture", "")

    monkeypatch.setattr("reason_llama.architecture.Llama.load", refuse)
    asked(folder, "--output", tmp_path / "eval").ok()
    assert "loaded by its architecture" in asked(base).error_line


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 8}, "another n_head (8)"),
        ({"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}}, "another positions"),
        ({"rms_norm_eps": 1e-5}, "another epsilon of norms (1e-05)"),
    ],
    ids=["heads", "positions", "epsilon"],
)
def test_what_a_resumed_run_would_lose_is_refused_at_its_begin(base, tmp_path, changes, said):
    folder = shutil.copytree(base / "final", tmp_path / "weights")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    result = train(tmp_path / "run", *SHAPE, "--init-from", folder)
    assert result.code == 2 and said in result.err.splitlines()[-1]


def test_it_goes_on_from_a_folder_whose_shape_the_options_say(base, tmp_path):
    folder = shutil.copytree(base / "final", tmp_path / "weights")
    train(tmp_path / "run", *SHAPE, "--init-from", folder, steps=2).ok()


@pytest.mark.parametrize(
    ("setting", "said"),
    [("n_kv_head=3", "n_head 4 is no multiple of n_kv_head 3"), ("d_model=68", "d_model 68 is no multiple of twice")],
)
def test_heads_that_do_not_fit_are_refused_in_one_line(tmp_path, setting, said):
    refused = train(tmp_path / "run", *SHAPE, "--tokenizer", "bytes", "--set", f"model.{setting}")
    assert refused.code == 2 and said in refused.error_line
