"""Accuracy on held-out questions while training, and the run that ends with its best checkpoint."""

from __future__ import annotations

import json

import pytest
from support import read_lines, run, train_tiny, weights

ASKS = ("--eval-accuracy", 6, "--set", "eval.max_new_tokens=24")


def metrics(folder, name):
    return [(line["step"], line[name]) for line in read_lines(folder / "metrics.jsonl") if name in line]


@pytest.fixture
def told(monkeypatch):
    """Make the accuracies of the validations what the test says."""
    from reason_cli.engine import train

    def tell(*shares):
        left = list(shares)
        monkeypatch.setattr(train, "_accuracy", lambda job, ready, report: lambda: left.pop(0))

    return tell


def test_accuracy_stands_beside_the_loss(tiny, tmp_path):
    result = train_tiny(tmp_path / "run", *ASKS).ok()
    found = metrics(tmp_path / "run", "eval_accuracy")
    assert [step for step, _ in found] == [6, 12]
    assert all(0 <= share <= 1 and (share * 6) % 1 == 0 for _, share in found), "of six questions"
    assert "step 6: validation loss" in result.err and ", accuracy " in result.err
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_the_accuracy_is_that_of_the_answers(tiny, tmp_path, monkeypatch):
    """Half of the held-out questions are answered right, whatever the model says."""
    from reason_cli.engine import train
    from reason_cli.engine.generate import Answer

    def sums(model, tokenizer, prompts, decoding):
        words = [p.split("<|im_end|>")[0].split() for p in prompts]
        totals = [sum(int(w.strip("?")) for w in each if w.strip("?").isdigit()) for each in words]
        return [Answer(f"Final Answer: {t + n % 2}", 3, True) for n, t in enumerate(totals)]

    monkeypatch.setattr(train, "answer", sums)
    train_tiny(tmp_path / "run", "--eval-accuracy", 6, "--samples", 0).ok()
    assert {share for _, share in metrics(tmp_path / "run", "eval_accuracy")} == {0.5}


def test_without_it_nothing_is_answered(tiny, tmp_path):
    train_tiny(tmp_path / "run").ok()
    assert metrics(tmp_path / "run", "eval_loss") and not metrics(tmp_path / "run", "eval_accuracy")


def test_the_run_ends_with_its_most_accurate_checkpoint(tiny, tmp_path, told):
    told(0.5, 0.25)
    result = train_tiny(tmp_path / "run", *ASKS, "--load-best", "accuracy").ok()
    assert "best of the validations: checkpoint-6, accuracy 0.5000" in result.err
    assert same(tmp_path / "run", 6) and not same(tmp_path / "run", 12)


def test_the_run_ends_with_its_lowest_loss(tiny, tmp_path):
    train_tiny(tmp_path / "run", "--load-best", "loss").ok()
    losses = dict(metrics(tmp_path / "run", "eval_loss"))
    best = min(losses, key=losses.get)
    assert same(tmp_path / "run", best)


def test_the_best_is_kept_when_older_checkpoints_go(tiny, tmp_path, told):
    told(0.9, 0.1, 0.2, 0.3)
    schedule = ("--save-steps", 3, "--eval-steps", 3, "--keep-checkpoints", 2)
    train_tiny(tmp_path / "run", *ASKS, "--load-best", "accuracy", *schedule).ok()
    assert same(tmp_path / "run", 3)


def test_a_resumed_run_remembers_the_best(tiny, tmp_path, told):
    told(0.9, 0.1, 0.2)
    train_tiny(tmp_path / "run", *ASKS, "--load-best", "accuracy", "--max-steps", 6).ok()
    run("train", "--resume", tmp_path / "run", "--max-steps", 12).ok()
    assert same(tmp_path / "run", 6)


def test_the_last_step_is_among_those_to_choose_from(tiny, tmp_path, told):
    """Ten steps, validated each four: the tenth is validated and saved, too."""
    told(0.1, 0.2, 0.3)
    schedule = ("--save-steps", 4, "--eval-steps", 4)
    result = train_tiny(tmp_path / "run", *ASKS, "--load-best", "accuracy", *schedule, steps=10).ok()
    assert [step for step, _ in metrics(tmp_path / "run", "eval_accuracy")] == [4, 8, 10]
    assert "best of the validations: checkpoint-10" in result.err


def test_a_run_that_the_clock_ends_validates_its_last_step(tiny, tmp_path, told):
    told(0.1, 0.2)
    late = ("--save-steps", 5000, "--eval-steps", 5000, "--max-minutes", 0.0001)
    train_tiny(tmp_path / "run", *ASKS, "--load-best", "accuracy", *late, steps=5000).ok()
    (found,) = metrics(tmp_path / "run", "eval_accuracy")
    assert found[0] < 5000 and same(tmp_path / "run", found[0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--load-best", "loss", "--save-steps", 5, "--eval-steps", 3), "no multiple of eval_steps 3"),
        (("--load-best", "accuracy"), "no questions are asked at validation; set --eval-accuracy"),
    ],
)
def test_a_best_that_cannot_be_told_is_refused_before_the_work(tiny, tmp_path, given, message):
    result = train_tiny(tmp_path / "run", *given)
    assert result.code == 2 and message in result.error_line


def test_no_held_out_rows_no_best(tiny, tmp_path):
    result = train_tiny(tmp_path / "run", "--load-best", "loss", "--validation-split", "0")
    assert result.code == 1 and "train.load_best needs held-out rows" in result.err


def same(folder, step):
    """Whether the final weights are those of a checkpoint."""
    final, saved = weights(folder / "final"), weights(folder / "checkpoints" / f"checkpoint-{step}")
    assert json.loads((folder / "final" / "config.json").read_text())["model_type"] == "llama"
    return all(bool((final[name] == saved[name]).all()) for name in final)
