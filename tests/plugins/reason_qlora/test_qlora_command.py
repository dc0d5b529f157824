"""`reason train --arch qlora` and `reason merge` from the command line: the same door, run directory and evaluation."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from support import run
from transformers import AutoModelForCausalLM

from reason_cli.plugins import build_switchboard
from reason_cli.toml import read_toml

HOW = (
    *("--arch", "qlora", "--dataset", "word-problems@60", "--no-decontaminate", "--device", "cpu"),
    *("--precision", "fp32", "--threads", "1", "--micro-batch-size", "2", "--learning-rate", "1e-2"),
    *("--warmup-steps", "1", "--samples", "0", "--logging-steps", "1", "--save-steps", "2", "--eval-steps", "2"),
    *("--set", "model.r=4", "--set", "model.max_seq_len=600", "--set", "model.lora_dropout=0.1"),
)


def train(base, folder, *more, steps=4, quantization="auto"):
    return run(
        "train", *HOW, "--set", f"model.base={base}", "--set", f"model.quantization={quantization}",
        "--max-steps", steps, "--output", folder, *more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def tuned(base, tmp_path_factory):
    """A finished run of four steps, 4 bit where that can be."""
    folder = tmp_path_factory.mktemp("tuned") / "run"
    return folder, train(base, folder, "--set", "train.load_best=loss").ok()


def adapter(folder):
    return load_file(folder / "adapter_model.safetensors")


def test_a_run_holds_the_adapter_alone_and_says_how_the_base_was_held(tuned, base):
    folder, result = tuned
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    assert "base 4 bit (nf4, doubly quantised), float32" in result.err and "parameters trained (" in result.err
    names = {path.name for path in (folder / "final").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names
    assert not any(name.startswith("model") for name in names)
    config = json.loads((folder / "final" / "adapter_config.json").read_text())
    assert (config["r"], config["base_model_name_or_path"]) == (4, str(base))
    assert read_toml(folder / "run.toml")["run"]["engines"]["base"].startswith("4 bit")


@pytest.mark.parametrize("decay", [0, 0.5])
def test_a_resumed_run_ends_as_if_it_had_not_stopped(base, tmp_path, decay):
    """To the bit where nothing is quantised; bitsandbytes' layers round otherwise once they were evaluated on a CPU."""
    folder, copy = tmp_path / "whole", tmp_path / "run"
    train(base, folder, "--set", f"train.ema_decay={decay}", quantization="none").ok()
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "checkpoints" / "checkpoint-4")
    shutil.rmtree(copy / "final")
    run("train", "--resume", copy).ok()
    whole, resumed = (adapter(place / "checkpoints" / "checkpoint-4") for place in (folder, copy))
    first = adapter(copy / "checkpoints" / "checkpoint-2")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert any(not torch.equal(first[name], resumed[name]) for name in whole)


def test_the_best_checkpoint_is_what_stays(tuned):
    folder, _ = tuned
    state = json.loads((folder / "checkpoints" / "checkpoint-4" / "trainer_state.json").read_text())
    best, final = adapter(folder / "checkpoints" / f"checkpoint-{state['best_global_step']}"), adapter(folder / "final")
    assert all(torch.equal(best[name], final[name]) for name in final)


@pytest.mark.parametrize("arch", ["qlora", "trm"])
@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("nobody/nothing", "model 'nobody/nothing' is neither a folder here nor to be had from the hub"),
        ("./nowhere", "there is no folder './nowhere'; check the path, or name a model as OWNER/NAME"),
    ],
)
def test_a_base_that_is_not_there_is_named_in_one_line(tmp_path, monkeypatch, arch, base, said):
    monkeypatch.delenv("REASON_DATA", raising=False)  # where benchmarks are at hand, it is told that they are searched
    result = train(base, tmp_path / "run", "--arch", arch)
    assert result.code == 1 and said in result.error_line


def test_a_resumed_run_keeps_its_adapter(tuned):
    folder, _ = tuned
    result = run("train", "--resume", folder, "--max-steps", 6, "--set", "model.r=8")
    assert result.code == 2 and "error: the settings make another model than" in result.err


def test_a_new_run_begins_with_an_adapter_on_its_own_base_alone(tuned, base, tmp_path):
    folder, _ = tuned
    other = shutil.copytree(base, tmp_path / base.name)
    said = train(other, tmp_path / "a", "--init-from", folder)
    assert said.code == 2 and f"was trained on {base}, not on {other}" in said.err.splitlines()[-1]
    said = train(base, tmp_path / "b", "--init-from", folder, "--set", "model.r=8")
    assert said.code == 2 and "the settings make another model than" in said.err.splitlines()[-1]
    assert "UserWarning" not in train(base, tmp_path / "c", "--init-from", folder, steps=1).ok().err


def test_it_is_evaluated_as_any_run_is(tuned):
    folder, _ = tuned
    found = run(
        "eval", "word-problems@3", "--no-report", "--checkpoint", folder, "--max-new-tokens", 4, "--json"
    ).json()
    assert found[0]["n"] == 3


@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_a_merged_model_needs_nothing_of_ours_and_is_compared(tuned, tmp_path, dtype):
    folder, _ = tuned
    found = run("merge", "--checkpoint", folder, "--output", tmp_path / "merged", "--dtype", dtype, "--json").json()
    assert found["merging"][0] < 1e-4 and found["merging"][1] == 1.0
    assert (found["rounding"][0] < 1e-4) == (dtype == "fp32") and found["rounding"][0] < 0.1
    assert found["quantisation"][0] > found["merging"][0], "the base was in 4 bits"
    assert json.loads((tmp_path / "merged" / "merge.json").read_text())["merging"] == found["merging"]
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype="auto")
    assert str(model.dtype) == {"bf16": "torch.bfloat16", "fp32": "torch.float32"}[dtype]
    again = run("merge", "--checkpoint", folder, "--output", tmp_path / "merged").error_line
    assert "is there already" in again


def test_merging_says_what_it_found(tuned, tmp_path):
    folder, _ = tuned
    said = run("merge", "--checkpoint", folder, "--output", tmp_path / "m").ok().out
    assert "merged, float32, beside base + adapter: logits differ by" in said and "reason eval word-problems" in said


# --- settings of a preset ----------------------------------------------------------------------------------------


def test_a_preset_brings_what_it_is_tuned_with_and_flags_go_before_it():
    plan = run("train", "--arch", "qwen2.5-1.5b", "--dry-run", "--learning-rate", "1e-5").ok().out
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in plan.splitlines() if line.strip()}
    assert rows["train.optimizer"] == "adamw_8bit preset qwen2.5-1.5b"
    assert rows["train.max_steps"] == "250 preset qwen2.5-1.5b" and rows["train.seed"].startswith("3407")
    assert rows["data.dataset"] == "gsm8k@2000 preset qwen2.5-1.5b"
    assert rows["train.learning_rate"] == "1e-05 command line"
    assert rows["tokenizer"] == "Qwen/Qwen2.5-1.5B-Instruct, 151,936 tokens"


def test_settings_of_presets_are_ones_that_there_are():
    from reason_cli.cli import options

    board = build_switchboard()
    keys = {key.path for key in options.core_schema(board)}
    for choice in map(board.architecture, board.names("architecture")):
        for settings in choice.architecture.settings.values():
            assert set(settings) <= keys, set(settings) - keys


# --- one line each -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ((), "model.base is not set; name a causal language model with --set model.base=OWNER/NAME"),
        (("model.base=nobody/nothing",), "'nobody/nothing'"),
        (("model.base={base}", "model.r=0"), "model.r"),
        (("model.base={base}", "model.target_modules=query"), "the base has no linear layer 'query'; it has "),
        (("model.base={base}", "model.quantization=fp4"), "model.quantization"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(base, settings, says, tmp_path):
    given = [part for text in settings for part in ("--set", text.format(base=base))]
    result = run("train", *HOW, *given, "--max-steps", 2, "--output", tmp_path / "run")
    assert says in result.err.splitlines()[-1] and "Traceback" not in result.err
    assert result.code == (1 if "nobody" in says else 2)


@pytest.mark.parametrize(("place", "code"), [("nowhere", 2), ("empty", 1)])
def test_what_is_no_adapter_is_not_merged(tmp_path, place, code):
    (tmp_path / "empty").mkdir()
    assert run("merge", "--checkpoint", tmp_path / place).code == code
