"""`reason train` from rows to a run directory: complete, repeatable, resumable, stoppable."""

from __future__ import annotations

import math
import re
import signal
import time

import pytest
from support import SUMS, TINY, read_lines, run, start, train_tiny, weights, write_rows

from reason_cli.runs import Run, is_complete
from reason_cli.toml import read_toml


def same(one, other):
    return one.keys() == other.keys() and all(bool((one[name] == other[name]).all()) for name in one)


def losses(folder):
    """step -> loss."""
    return {line["step"]: line["loss"] for line in read_lines(folder / "metrics.jsonl") if "loss" in line}


# --- the run directory -----------------------------------------------------------------------------------------


def test_the_run_directory_is_complete(trained):
    folder, _ = trained
    names = {path.name for path in folder.iterdir()}
    assert names == {"run.toml", "metrics.jsonl", "tensorboard", "train.log", "checkpoints", "final"}
    assert {p.name for p in (folder / "checkpoints").iterdir()} == {"checkpoint-15", "checkpoint-30"}
    assert all(is_complete(p) for p in (folder / "checkpoints").iterdir())
    final = {p.name for p in (folder / "final").iterdir()}
    assert final >= {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"}
    assert not any(p.suffix in {".bin", ".pt", ".pth", ".pkl"} for p in (folder / "final").iterdir())


def test_every_step_has_its_figures(trained):
    folder, _ = trained
    lines = [line for line in read_lines(folder / "metrics.jsonl") if "loss" in line]
    assert [line["step"] for line in lines] == list(range(1, 31))
    for line in lines:
        for name in ("loss", "learning_rate", "grad_norm", "tokens_per_second", "memory_gib", "time"):
            assert math.isfinite(line[name]), name
    rates = [line["learning_rate"] for line in lines]
    assert max(rates) == pytest.approx(3e-3) and rates[-1] < 1e-4
    validations = [line for line in read_lines(folder / "metrics.jsonl") if "eval_loss" in line]
    assert [line["step"] for line in validations] == [15, 30]


def test_the_loss_falls(trained):
    folder, _ = trained
    fallen = losses(folder)
    assert fallen[30] < 0.8 * fallen[1]
    assert 4.5 < fallen[1] < 6.5, "an untrained model knows as much as chance: ln 261 = 5.56"


def test_tensorboard_holds_the_same_figures(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, _ = trained
    drawn = EventAccumulator(str(folder / "tensorboard")).Reload()
    tags = drawn.Tags()["scalars"]
    for figure in ("loss", "learning_rate", "grad_norm", "tokens_per_second", "memory_gib"):
        assert f"train/{figure}" in tags
    assert "eval/loss" in tags
    last = drawn.Scalars("train/loss")[-1]
    assert last.step == 30 and last.value == pytest.approx(losses(folder)[30], rel=1e-5)
    assert any("sample" in tag for tag in drawn.Tags()["tensors"])


def test_the_settings_file_says_what_ran(trained):
    folder, _ = trained
    record = read_toml(folder / "run.toml")
    facts = record["run"]
    assert facts["architecture"] == "tiny-llama" and facts["parameters"] == 28_992 and facts["seed"] == 0
    assert facts["training_rows"] == 144 and facts["held_out_rows"] == 16
    assert facts["precision"] == "fp32" and facts["hardware"]["device"] == "cpu"
    assert set(facts["versions"]) >= {"reason", "python", "torch", "transformers"}
    (data,) = facts["data"]
    assert data["rows"] == 160 and len(data["sha256"]) == 64
    assert record["train"]["learning_rate"] == 3e-3 and record["sources"]["train"]["learning_rate"] == "command line"
    assert record["train"]["weight_decay"] == 0.1 and record["sources"]["train"]["weight_decay"] == "default"


def test_the_log_and_the_terminal_say_how_it_went(trained):
    folder, result = trained
    log = (folder / "train.log").read_text(encoding="utf-8")
    for said in ("144 rows", "16 rows held out", "28,992 parameters on cpu, fp32", "step 15: validation loss"):
        assert said in result.err and said in log
    assert "sample 1: What is" in result.err
    assert str(folder) in result.out and "reason eval additions --checkpoint" in result.out
    assert "tensorboard --logdir" in result.out
    assert "it/s]" not in result.err, "no bars where nobody watches"


def test_transformers_alone_loads_the_final_folder(trained):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, _ = trained
    model = AutoModelForCausalLM.from_pretrained(folder / "final")
    tokenizer = AutoTokenizer.from_pretrained(folder / "final")
    ids = tokenizer("2 + 2", return_tensors="pt")["input_ids"]
    assert torch.isfinite(model(ids).logits).all() and tokenizer.chat_template


# --- the same again ----------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_weights_and_another_others(tiny, tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        train_tiny(tmp_path / name, "--seed", seed, steps=6).ok()
    a, b, c = (weights(tmp_path / name / "final") for name in "abc")
    assert same(a, b) and not same(a, c)
    assert losses(tmp_path / "a") == losses(tmp_path / "b") != losses(tmp_path / "c")


def test_shown_samples_change_nothing(tiny, tmp_path):
    train_tiny(tmp_path / "a", "--samples", 0, steps=6).ok()
    train_tiny(tmp_path / "b", "--samples", 2, steps=6).ok()
    assert same(weights(tmp_path / "a" / "final"), weights(tmp_path / "b" / "final"))


@pytest.mark.parametrize("accumulated", [1, 3])
def test_a_resumed_run_ends_as_if_it_had_not_stopped(tiny, tmp_path, accumulated):
    """Over an epoch's end, bit for bit: weights, losses and learning rates."""
    import shutil

    few = ("--dataset", "additions@70")  # so few that an epoch is 8 batches
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    train_tiny(whole, "--gradient-accumulation-steps", accumulated, data=few, steps=14).ok()
    shutil.copytree(whole, halved)
    shutil.rmtree(halved / "final")
    shutil.rmtree(halved / "checkpoints" / "checkpoint-14")
    result = run("train", "--resume", halved).ok()
    assert same(weights(whole / "final"), weights(halved / "final"))
    # The lines past the checkpoint are written again, once each.
    steps = [line["step"] for line in read_lines(halved / "metrics.jsonl") if "loss" in line]
    assert steps == list(range(1, 15))
    assert losses(halved) == losses(whole)
    assert str(halved) in result.out


def test_resume_refuses_another_tokenizer_and_leaves_the_run_as_it_was(tiny, tmp_path):
    train_tiny(tmp_path / "run", steps=4).ok()
    before = (tmp_path / "run" / "run.toml").read_text()
    result = run("train", "--resume", tmp_path / "run", "--max-steps", 8, "--tokenizer", "bpe:300")
    assert result.code == 2 and "bpe:300" in result.error_line
    assert (tmp_path / "run" / "run.toml").read_text() == before


def test_resume_skips_a_checkpoint_that_was_not_written_to_its_end(tiny, tmp_path):
    train_tiny(tmp_path / "run", steps=12).ok()
    torn = tmp_path / "run" / "checkpoints" / "checkpoint-12"
    (torn / "model.safetensors").write_bytes((torn / "model.safetensors").read_bytes()[:-100])
    before = weights(tmp_path / "run" / "final")
    run("train", "--resume", tmp_path / "run").ok()
    assert same(before, weights(tmp_path / "run" / "final")), "steps 7 to 12 were done again"
    assert is_complete(torn)


def test_resume_of_what_is_done_says_so(tiny, tmp_path):
    train_tiny(tmp_path / "run", steps=6).ok()
    result = run("train", "--resume", tmp_path / "run")
    assert result.code == 2 and "step 6 of 6 is done; raise --max-steps" in result.err
    run("train", "--resume", tmp_path / "run", "--max-steps", 8).ok()
    assert max(losses(tmp_path / "run")) == 8


def test_resume_of_a_run_without_a_checkpoint_says_so(tiny, tmp_path):
    Run.create(tmp_path / "run").write_record(
        {"run": {"precision": "fp32", "started": "then"}, "model": {"arch": "tiny-llama"}}
    )
    result = run("train", "--resume", tmp_path / "run")
    assert result.code == 1 and "no complete checkpoint" in result.error_line


# --- ends --------------------------------------------------------------------------------------------------------


def wait_for_steps(process, folder, steps):
    """Until so many steps are in the metrics."""
    metrics = folder / "metrics.jsonl"
    for _ in range(600):
        if process.poll() is not None:
            raise AssertionError(process.communicate())
        if metrics.exists() and metrics.read_text().count("loss") >= steps:
            return
        time.sleep(0.1)
    process.kill()
    raise AssertionError("it does not train")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_ends_and_the_run_goes_on_from_there(tiny, tmp_path, number):
    folder = tmp_path / "run"
    endless = ("--max-steps", 1_000_000, "--save-steps", 1_000_000, "--eval-steps", 1_000_000)
    process = start("train", *TINY, *SUMS, *endless, "--lr-scheduler", "constant", "--output", folder)
    wait_for_steps(process, folder, 5)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in err
    name = signal.Signals(number).name
    assert f"stopped by {name} at step" in err and f"reason train --resume {folder}" in err
    (saved,) = Run(folder).complete_checkpoints()
    step = int(saved.name.split("-")[1])
    assert not (folder / "final").exists()
    run("train", "--resume", folder, "--max-steps", step + 3).ok()
    assert max(losses(folder)) == step + 3 and (folder / "final").is_dir()


def test_minutes_end_a_run_with_its_learning_rate_decayed(tiny, tmp_path):
    begun = time.monotonic()
    endless = ("--max-steps", 1_000_000, "--save-steps", 1_000_000, "--eval-steps", 1_000_000)
    done = run("train", *TINY, *SUMS, *endless, "--max-minutes", 0.05, "--output", tmp_path / "run").ok()
    assert re.search(r"ended with its 0.05 minutes \(train.max_minutes\), after [\d,]+ of 1,000,000 steps", done.err)
    assert time.monotonic() - begun < 60
    lines = [line for line in read_lines(tmp_path / "run" / "metrics.jsonl") if "loss" in line]
    assert max(line["learning_rate"] for line in lines) > 1e-3 and lines[-1]["learning_rate"] < 1e-4
    assert (tmp_path / "run" / "final").is_dir()


DIVERGING = """
from reason_cli import hookimpl
from reason_cli.testing import TinyLlama

class Diverging(TinyLlama):
    name = "diverging"
    presets = {}

    def build(self, options, tokenizer):
        model = super().build(options, tokenizer)
        model.lm_head.weight.data[0, 0] = float("nan")
        return model

@hookimpl
def register_architectures():
    return [Diverging()]
"""


def test_a_loss_that_is_no_number_ends_the_run(tiny, tmp_path):
    tiny.add("diverging", DIVERGING)
    result = run(
        "train", *TINY, *SUMS, "--arch", "diverging", "--max-steps", 50, "--output", tmp_path / "run", "--samples", 0
    )
    assert result.code == 1
    line = result.err.splitlines()[-1]
    assert line.startswith("error: loss or gradient is not finite") and "--learning-rate" in line
    assert max(losses(tmp_path / "run")) < 10


def test_a_run_without_held_out_rows(tiny, tmp_path):
    train_tiny(tmp_path / "run", "--validation-split", 0, steps=4).ok()
    assert not any("eval_loss" in line for line in read_lines(tmp_path / "run" / "metrics.jsonl"))


def test_plain_text_and_questions_train_together(tiny, tmp_path):
    tiny.add("texts", TEXTS)
    result = train_tiny(tmp_path / "run", data=("--dataset", "additions@30", "--dataset", "texts"), steps=4).ok()
    data = read_toml(tmp_path / "run" / "run.toml")["run"]["data"]
    assert [part["dataset"] for part in data] == ["additions:train", "texts:train"]
    assert "rows" in result.err


TEXTS = """
from reason_cli import DatasetFormatter, Text, hookimpl

class Texts(DatasetFormatter):
    name = "texts"
    help = "plain documents"

    def format(self, row, options):
        return Text(row["text"])

    def generate(self, split, seed, options):
        return ({"text": f"document {n}"} for n in range(30))

@hookimpl
def register_datasets():
    return [Texts()]
"""


def test_a_run_evaluates_itself_at_its_end(tiny, tmp_path):
    after = ("--set", "eval.after_training=additions", "--set", "eval.limit=5", "--set", "eval.max_new_tokens=8")
    result = train_tiny(tmp_path / "run", *after, steps=4).ok()
    (folder,) = (tmp_path / "run" / "eval").iterdir()
    assert folder.name.startswith("additions-test-") and (folder / "results.json").is_file()
    assert "accuracy" in result.out


def test_gradient_checkpointing_and_a_trained_tokenizer(tiny, tmp_path):
    train_tiny(tmp_path / "run", "--gradient-checkpointing", "--tokenizer", "bpe:300", steps=4).ok()
    assert read_toml(tmp_path / "run" / "run.toml")["train"]["gradient_checkpointing"] is True


def test_a_local_file_trains(tiny, tmp_path):
    path = write_rows(tmp_path / "mine.jsonl", [{"question": f"{n} + 1?", "answer": str(n + 1)} for n in range(40)])
    train_tiny(tmp_path / "run", data=("--dataset", path), steps=4).ok()
    facts = read_toml(tmp_path / "run" / "run.toml")["run"]
    assert facts["training_rows"] + facts["held_out_rows"] == 40


def test_without_an_output_the_run_is_made_below_runs(tiny, tmp_path):
    run("train", *TINY, *SUMS, "--max-steps", 2, "--eval-steps", 2).ok()
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("tiny-llama-additions-")


def test_the_time_spent_is_kept_so_that_a_resumed_run_counts_on(trained):
    import json

    folder, _ = trained
    spent = []
    for step in (15, 30):
        state = json.loads((folder / "checkpoints" / f"checkpoint-{step}" / "trainer_state.json").read_text())
        spent.append(state["stateful_callbacks"]["Stop"]["attributes"]["seconds"])
    assert 0 < spent[0] < spent[1]


def test_few_checkpoints_are_kept(tiny, tmp_path):
    train_tiny(tmp_path / "run", "--save-steps", 1, "--keep-checkpoints", 2, steps=5).ok()
    assert [p.name for p in Run(tmp_path / "run").complete_checkpoints()] == ["checkpoint-4", "checkpoint-5"]


def test_the_profile_of_a_run_repeats_it(tiny, trained, tmp_path):
    """`--profile RUN/run.toml` trains the same again."""
    folder, _ = trained
    run("train", "--profile", folder / "run.toml", "--output", tmp_path / "again").ok()
    assert same(weights(folder / "final"), weights(tmp_path / "again" / "final"))


@pytest.mark.parametrize("change", ["model.n_layer=1", "model.n_layer=3", "model.d_model=64"])
def test_a_resumed_run_keeps_its_model(tiny, tmp_path, change):
    train_tiny(tmp_path / "run", steps=4).ok()
    before = (tmp_path / "run" / "run.toml").read_text(encoding="utf-8")
    result = run("train", "--resume", tmp_path / "run", "--max-steps", 6, "--set", change)
    assert result.code == 2 and "another model than" in result.err.splitlines()[-1]
    assert (tmp_path / "run" / "run.toml").read_text(encoding="utf-8") == before
    run("train", "--resume", tmp_path / "run", "--max-steps", 6).ok()


def test_a_run_is_read_where_plugins_that_it_does_not_use_are_missing(trained, tiny, monkeypatch):
    folder, _ = trained
    record = read_toml(folder / "run.toml")
    assert "word-problems" not in record["data"] and "word-problems" not in record["sources"]["data"]
    monkeypatch.setenv("REASON_DISABLE_PLUGINS", "datasets,mamba")
    result = run("train", "--resume", folder)
    assert "step 30 of 30 is done" in result.err


def test_options_of_a_used_dataset_are_kept(tiny, tmp_path):
    train_tiny(tmp_path / "run", "--set", "model.max_seq_len=512", data=("--dataset", "word-problems@30"), steps=3).ok()
    data = read_toml(tmp_path / "run" / "run.toml")["data"]
    assert data["word-problems"]["max_steps"] == 4 and "gsm8k" not in data


def test_going_on_with_other_rows_is_said(tiny, tmp_path):
    rows = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(60)]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    train_tiny(tmp_path / "run", data=("--dataset", path), steps=2).ok()
    again = ("train", "--resume", tmp_path / "run", "--max-steps")
    assert "the rows are not those" not in run(*again, 3).ok().err
    write_rows(path, [*rows, {"question": "What is 9 + 9?", "answer": "18"}])
    said = run(*again, 4).ok().err
    assert f"the rows are not those that the run has read so far: then 60 of {path}; now 61 of {path}" in said
