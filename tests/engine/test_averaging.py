"""The average of the weights: what it is, where it is seen, and a resumed run that ends with the same."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file
from support import TINY_PLUGIN, Site, read_lines, run, train_tiny, weights

from reason_cli.engine.averaging import TRAINED, Average

DECAY = 0.8
AVERAGED = ("--set", f"train.ema_decay={DECAY}", "--samples", 0)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def checkpoint(folder, step):
    return folder / "checkpoints" / f"checkpoint-{step}"


def validations(folder):
    return [line["eval_loss"] for line in read_lines(folder / "metrics.jsonl") if "eval_loss" in line]


@pytest.fixture(scope="module")
def every_step(tmp_path_factory):
    """A run with a checkpoint and a validation at each of 12 steps, and the same without an average."""
    folder = tmp_path_factory.mktemp("runs")
    each = ("--save-steps", 1, "--eval-steps", 1, "--keep-checkpoints", 12)
    with pytest.MonkeyPatch.context() as patch:
        place = Site(folder / "site", patch)
        place.add("tiny", TINY_PLUGIN)
        train_tiny(folder / "averaged", *AVERAGED, *each).ok()
        train_tiny(folder / "plain", "--samples", 0, *each).ok()
        place.close()
    return folder / "averaged", folder / "plain"


def test_it_is_the_average_by_hand_and_training_does_not_see_it(every_step):
    averaged, plain = every_step
    expected = None
    for step in range(1, 13):
        trained = weights(checkpoint(plain, step))
        assert same(load_file(checkpoint(averaged, step) / TRAINED), trained)
        if expected is None:
            # It begins at the weights before the first step, of which the first average is 2 / 11.
            found = weights(checkpoint(averaged, 1))
            first = {name: (found[name] - trained[name] * 9 / 11) * 11 / 2 for name in found}
            before = begin()
            assert all(torch.allclose(first[name], before[name], atol=1e-6) for name in first)
            expected = found
            continue
        decay = min(DECAY, (1 + step) / (10 + step))
        expected = {name: decay * value + (1 - decay) * trained[name] for name, value in expected.items()}
        found = weights(checkpoint(averaged, step))
        assert all(torch.allclose(found[name], value, atol=1e-6) for name, value in expected.items())
    assert not same(found, trained)


def begin():
    """The tiny model as seed 0 makes it."""
    from transformers import set_seed

    from reason_cli.testing import TinyLlama, TinyLlamaOptions, byte_tokenizer

    set_seed(0)
    return TinyLlama().build(TinyLlamaOptions(), byte_tokenizer()).state_dict()


def test_the_run_ends_with_the_average(every_step):
    averaged, plain = every_step
    assert same(weights(averaged / "final"), weights(checkpoint(averaged, 12)))
    assert not same(weights(averaged / "final"), weights(plain / "final"))
    assert not (averaged / "final" / TRAINED).exists()


def test_validations_see_the_average_and_the_loss_in_training_does_not(every_step):
    averaged, plain = every_step
    trained = [[line["loss"] for line in read_lines(f / "metrics.jsonl") if "loss" in line] for f in every_step]
    assert trained[0] == trained[1]
    assert validations(averaged)[-1] != validations(plain)[-1]
    assert validations(averaged)[0] > validations(plain)[0], "the average is behind weights that get better"


def test_without_it_a_checkpoint_is_what_it_was(every_step):
    _, plain = every_step
    assert not list(plain.rglob(TRAINED))


def test_a_resumed_run_ends_as_if_it_had_not_stopped(tiny, every_step, tmp_path):
    whole, copy = every_step[0], tmp_path / "run"
    shutil.copytree(whole, copy)
    shutil.rmtree(copy / "final")
    for step in range(6, 13):
        shutil.rmtree(checkpoint(copy, step))
    run("train", "--resume", copy).ok()
    assert same(weights(copy / "final"), weights(whole / "final"))
    assert same(load_file(checkpoint(copy, 12) / TRAINED), load_file(checkpoint(whole, 12) / TRAINED))
    assert validations(copy) == validations(whole)


def test_a_run_resumed_without_it_goes_on_from_what_was_trained(tiny, every_step, tmp_path):
    averaged, plain = every_step
    copy = tmp_path / "run"
    shutil.copytree(averaged, copy)
    shutil.rmtree(copy / "final")
    for step in range(6, 13):
        shutil.rmtree(checkpoint(copy, step))
    run("train", "--resume", copy, "--set", "train.ema_decay=0").ok()
    assert same(weights(copy / "final"), weights(plain / "final"))


def test_the_best_checkpoint_is_an_average(tiny, tmp_path, monkeypatch):
    from reason_cli.engine import train

    shares = [0.5, 0.25]
    monkeypatch.setattr(train, "_accuracy", lambda job, ready, report: lambda: shares.pop(0))
    train_tiny(tmp_path / "run", *AVERAGED, "--eval-accuracy", 6, "--load-best", "accuracy").ok()
    best, last = (weights(checkpoint(tmp_path / "run", step)) for step in (6, 12))
    final = weights(tmp_path / "run" / "final")
    assert same(final, best) and not same(final, last)


def test_the_average_gives_the_parameters_back():
    model = torch.nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    average = Average(model, 0.5)
    average.begin()
    before = model.weight.detach().clone()
    with torch.no_grad():
        model.weight += 1
    with pytest.raises(ValueError, match="no"), average.in_place():
        assert torch.equal(model.weight, before)
        raise ValueError("no")
    assert torch.equal(model.weight, before + 1)
    assert list(average.parameters) == ["weight"]


def test_it_is_refused_in_shares(tiny, tmp_path):
    result = train_tiny(tmp_path / "run", *AVERAGED, "--parallel", "fsdp")
    assert result.code == 2 and "train.ema_decay: not with train.parallel fsdp" in result.error_line
