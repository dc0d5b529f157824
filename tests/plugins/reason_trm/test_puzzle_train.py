"""`reason train --arch trm-puzzle`: from puzzles to a grade, resumed, more steps at test, one-line refusals."""

import json

import pytest
import support
import torch
from reason_trm.puzzle_architecture import PuzzleOptions, TRMPuzzle
from safetensors.torch import load_file

from reason_cli.engine import probe

SMALL = {
    "model.d_model": 32,
    "model.n_head": 2,
    "model.mlp_expand": 1.0,
    "model.n_latent_steps": 1,
    "model.n_deep_recursions": 1,
    "model.n_supervision_steps": 2,
    "model.max_seq_len": 64,
    "data.sudoku.clues": 12,
    "data.validation_split": 0.1,
    "data.max_rows": 400,
    "train.warmup_steps": 2,
    "train.learning_rate": 0.005,
    "train.micro_batch_size": 16,
    "train.logging_steps": 5,
    "train.samples": 0,
}


def train(run, *arguments, dataset="sudoku", **changes):
    settings = {**SMALL, **{key.replace("__", "."): value for key, value in changes.items()}}
    sets = [text for key, value in settings.items() for text in ("--set", f"{key}={value}")]
    asked = ["--arch", "trm-puzzle", "--dataset", dataset, "--style", "plain", "--threads", "1", "--precision", "fp32"]
    return support.run("train", *asked, "--output", str(run), *sets, *arguments)


def losses(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def results(*arguments):
    said = support.run("eval", "sudoku@16", "--max-new-tokens", "32", "--no-report", "--json", *arguments).ok()
    return json.loads(said.out)[0]


def test_it_learns_is_graded_and_takes_more_steps_at_test(tmp_path):
    """Of twelve clues of sixteen, the four cells that are left become likelier; the folder is transformers' own."""
    run = tmp_path / "run"
    train(run, "--max-steps", "30").ok()
    assert losses(run)[-1] < 0.7 * losses(run)[0]
    plain = results("--checkpoint", str(run))
    more = results("--checkpoint", str(run), "--set", "model.steps_at_test=5")
    assert plain["n"] == more["n"] == 16
    folders = {path.parent for path in run.glob("eval/*/results.json")}
    assert len(folders) == 2, "another number of steps is another evaluation"
    import reason_trm.puzzle_model  # noqa: F401
    from transformers import AutoModelForCausalLM

    assert AutoModelForCausalLM.from_pretrained(run / "final").config.n_supervision_steps == 2


def test_a_resumed_run_ends_as_one_that_was_never_stopped(tmp_path):
    once, twice = tmp_path / "once", tmp_path / "twice"
    """Steps that are drawn ahead of the taught ones included."""
    train(once, "--max-steps", "6", model__n_carry_steps=3).ok()
    train(twice, "--max-steps", "6", model__n_carry_steps=3, train__save_steps=3).ok()
    (twice / "final").rename(tmp_path / "first")
    (twice / "checkpoints" / "checkpoint-6").rename(tmp_path / "last")
    support.run("train", "--resume", str(twice)).ok()
    whole, resumed = (load_file(run / "final" / "model.safetensors") for run in (once, twice))
    assert all((whole[name] == resumed[name]).all() for name in whole)


def test_its_speed_is_measured():
    small = PuzzleOptions(d_model=32, n_head=2, max_seq_len=64, n_supervision_steps=1)
    subject = probe.Subject("trm-puzzle", TRMPuzzle(), small, 261, 2, 33)
    speed = probe.measure([subject], torch.device("cpu"), "fp32", lambda said: None)
    assert [point.preset for point in speed.points] == ["trm-puzzle"]


def test_a_maze_is_learned_as_well(tmp_path):
    run = tmp_path / "run"
    sizes = {"data__maze__size": 4, "data__sudoku__clues": 0}
    train(run, "--max-steps", "10", dataset="maze", **sizes).ok()
    assert losses(run)[-1] < losses(run)[0]


@pytest.mark.parametrize(
    ("dataset", "changes", "code", "said"),
    [
        ("sums.jsonl", {}, 1, "an answer of 3 tokens is longer than its question of 2"),
        ("sudoku", {"model__n_head": 3}, 2, "d_model 32 is no multiple of n_head 3"),
        ("sudoku", {"data__sudoku__size": 5, "data__sudoku__clues": 0}, 2, "no boxes fit a size of 5"),
    ],
    ids=["answer", "heads", "size"],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, monkeypatch, dataset, changes, code, said):
    rows = [{"question": f"{n}9", "answer": "100"} for n in range(1, 9)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    refused = train(tmp_path / "run", "--max-steps", "2", dataset=dataset, **changes)
    assert refused.code == code
    error = [line for line in refused.err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1 and said in error[0] and "Traceback" not in refused.err
