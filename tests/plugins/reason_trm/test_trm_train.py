"""`reason train --arch trm` from the command line: trained, resumed, graded and merged."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import fields

import pytest
import torch
from reason_trm.trm_architecture import TRM, TRMOptions
from safetensors.torch import load_file
from support import run

from reason_cli import Load
from reason_cli.toml import read_toml

HOW = (
    *("--arch", "trm", "--dataset", "word-problems@60", "--no-decontaminate", "--device", "cpu"),
    *("--precision", "fp32", "--threads", "1", "--micro-batch-size", "2", "--learning-rate", "1e-2"),
    *("--warmup-steps", "1", "--samples", "0", "--logging-steps", "1", "--save-steps", "2", "--eval-steps", "2"),
    *("--set", "model.r=4", "--set", "model.max_seq_len=600", "--set", "model.num_latents=4"),
    *("--set", "model.d_latent=32", "--set", "model.n_head=4", "--set", "model.n_supervision_steps=2"),
)


def train(base, folder, *more, quantization="auto"):
    return run(
        "train", *HOW, "--set", f"model.base={base}", "--set", f"model.quantization={quantization}",
        "--max-steps", 4, "--output", folder, *more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def tuned(llama_base, tmp_path_factory):
    """A finished run of four steps, 4 bit where that can be."""
    folder = tmp_path_factory.mktemp("tuned") / "run"
    return folder, train(llama_base, folder).ok()


def read_options(folder):
    own = read_toml(folder / "run.toml")["model"]
    named = {field.name: own[field.name] for field in fields(TRMOptions)}
    return TRMOptions(**{name: tuple(value) if isinstance(value, list) else value for name, value in named.items()})


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_a_run_says_how_its_base_is_held_and_holds_what_was_trained(tuned):
    folder, result = tuned
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    assert "base 4 bit (nf4, doubly quantised), float32" in result.err
    counted = re.search(r"model: trm, ([\d,]+) parameters", result.err)
    estimate = TRM().estimate(read_options(folder), Load(261)).parameters
    assert counted and int(counted[1].replace(",", "")) == estimate, "packed in 4 bits, all are counted"
    names = weights(folder / "final").keys()
    assert all(name.startswith("thinker.") or "lora_" in name for name in names)
    assert read_toml(folder / "run.toml")["run"]["engines"]["base"].startswith("4 bit")


@pytest.mark.parametrize("more", [(), ("--set", "model.tune=full"), ("--set", "model.use_trm=false")], ids=str)
def test_a_resumed_run_ends_as_if_it_had_not_stopped(llama_base, tmp_path, more):
    folder, copy = tmp_path / "whole", tmp_path / "run"
    train(llama_base, folder, *more, quantization="none").ok()
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "checkpoints" / "checkpoint-4")
    shutil.rmtree(copy / "final")
    run("train", "--resume", copy).ok()
    whole, resumed = (weights(place / "final") for place in (folder, copy))
    first = weights(copy / "checkpoints" / "checkpoint-2")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert any(not torch.equal(first[name], resumed[name]) for name in whole)


def test_it_is_graded_and_more_steps_at_test_are_another_evaluation(tuned):
    folder, _ = tuned
    for steps in (0, 3):
        asked = ("--set", f"model.steps_at_test={steps}", "--max-new-tokens", 4, "--json")
        assert run("eval", "word-problems@3", "--no-report", "--checkpoint", folder, *asked).json()[0]["n"] == 3
    assert len(list(folder.glob("eval/*/results.json"))) == 2


def test_a_merged_model_needs_no_base(tuned, tmp_path):
    folder, _ = tuned
    found = run("merge", "--checkpoint", folder, "--output", tmp_path / "m", "--dtype", "fp32", "--json").json()
    assert found["merging"][0] < 1e-4 and found["merging"][1] == 1.0 and found["rounding"][0] < 1e-4
    assert found["quantisation"][0] > found["merging"][0], "the base was in 4 bits"
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert config["whole"] and config["adapter"] is None
    assert "base.model.embed_tokens.weight" in weights(tmp_path / "m")
    model = TRM().load(tmp_path / "m", TRMOptions())
    assert not any("lora" in name for name, _ in model.named_parameters())
    again = run("merge", "--checkpoint", tmp_path / "m", "--output", tmp_path / "again").error_line
    assert "holds its base already; there is nothing to merge" in again
    assert run(
        "eval", "word-problems@2", "--checkpoint", tmp_path / "m", "--output", tmp_path / "e", "--max-new-tokens", 3
    ).ok()


def test_a_whole_model_has_nothing_to_merge(llama_base):
    assert "there is nothing to merge" in run("merge", "--checkpoint", llama_base).error_line


def test_a_token_of_its_own_is_added_to_the_tokenizer(llama_base, tmp_path):
    """It is one token of the run, and the base grows by it."""
    more = ("--set", "model.trigger=<ponder>", "--set", "data.prefill=<ponder>")
    train(llama_base, tmp_path / "run", *more, quantization="none").ok()
    names = weights(tmp_path / "run" / "final")
    assert names["base.model.embed_tokens.weight"].shape[0] == 262
    found = run(
        "eval", "word-problems@2", "--no-report", "--checkpoint", tmp_path / "run", "--max-new-tokens", 3, "--json"
    ).json()
    assert found[0]["settings"]["prefill"] == "<ponder>"
