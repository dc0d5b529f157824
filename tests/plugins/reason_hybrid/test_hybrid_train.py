"""`reason train --arch hybrid`: every ablation from the command line, and the depth of the recursion in the metrics."""

import json
from functools import wraps

import pytest
import support

SMALL = ["model.d_model=16", "model.n_layer=2", "model.d_state=4", "model.n_head=2", "model.n_kv_head=1"]
SMALL += ["model.head_dim=8", "model.max_seq_len=256", "data.validation_split=0", "train.warmup_steps=2"]


def train(run, *more, steps=4):
    settings = [text for setting in (*SMALL, *more) for text in ("--set", setting)]
    rows = ["--dataset", "word-problems@64", "--tokenizer", "bytes", "--max-steps", str(steps), "--logging-steps", "2"]
    asked = ["--arch", "hybrid", *rows, "--threads", "1", "--precision", "fp32", "--output", str(run)]
    return support.run("train", *asked, *settings).ok()


def lines(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("settings", "gated"),
    [
        (["model.max_recursion_depth=0"], False),
        (["model.n_scale=0"], True),
        (["model.n_scale=1"], True),
        (["model.depth_gate=false"], False),
        (["model.ponder_cost=0.1", "train.gradient_checkpointing=true"], True),
    ],
    ids=["no recursion", "no attention", "one scale", "fixed depth", "ponder cost"],
)
def test_every_ablation_trains_and_shows_how_deep_it_goes(tmp_path, settings, gated):
    train(tmp_path / "run", *settings)
    logged = [line for line in lines(tmp_path / "run") if "loss" in line]
    assert len(logged) == 2 and logged[-1]["loss"] < logged[0]["loss"]
    depths = [line.get(f"depth_layer_{layer}") for line in logged for layer in (0, 1)]
    assert all(0 < depth < 3 for depth in depths) if gated else depths == [None] * 4


def test_validation_never_holds_the_logits_of_all_positions(tmp_path, monkeypatch):
    from reason_hybrid.model import HybridForCausalLM

    given = []
    forward = HybridForCausalLM.forward

    @wraps(forward)  # the Trainer reads its signature
    def watched(self, *args, **kwargs):
        output = forward(self, *args, **kwargs)
        given.append((self.training, output.logits is None))
        return output

    monkeypatch.setattr(HybridForCausalLM, "forward", watched)
    train(tmp_path / "run", "train.eval_steps=2", "data.validation_split=0.1", "train.samples=0")
    assert {training for training, _ in given} == {True, False} and all(without for _, without in given)


def test_a_run_goes_on_and_is_evaluated_with_passes_skipped(tmp_path):
    run = tmp_path / "run"
    train(run, "train.save_steps=2", "train.eval_steps=2", "data.validation_split=0.1")
    support.run("train", "--resume", str(run), "--max-steps", "6").ok()
    said = support.run(
        "eval", "word-problems@4", "--no-report", "--checkpoint", str(run), "--max-new-tokens", "4", "--json"
    ).ok()
    assert json.loads(said.out)[0]["n"] == 4
    for figure in ("loss", "eval_loss"):
        assert [line["step"] for line in lines(run) if figure in line] == [2, 4, 6]


@pytest.mark.parametrize(
    ("setting", "said"),
    [("model.n_kv_head=3", "n_head 2 is no multiple of n_kv_head 3"), ("model.head_dim=7", "head_dim 7 is odd")],
)
def test_heads_that_do_not_fit_are_refused_in_one_line(tmp_path, setting, said):
    settings = [text for each in (*SMALL, setting) for text in ("--set", each)]
    rows = ["--dataset", "word-problems@8", "--tokenizer", "bytes"]
    refused = support.run("train", "--arch", "hybrid", *rows, *settings)
    assert refused.code == 2 and said in refused.error_line
