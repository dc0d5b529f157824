"""`--init-from`: a run that begins with another's weights and tokenizer, and what is refused."""

from __future__ import annotations

import json
import shutil

import pytest
from support import TINY, run, train_tiny, weights

from reason_cli.runs import Run

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def earlier(trained):
    return trained[0]


def after_nothing(output, earlier, *more):
    """A run that begins with `earlier` and takes one step at a learning rate of zero."""
    steps = ("--max-steps", 1, "--save-steps", 1, "--warmup-steps", 0)
    return run("train", *SAME, "--dataset", "additions@40", *steps, "--init-from", earlier, "--output", output, *more)


SAME = (*TINY[2:], "--learning-rate", 0)


def test_a_run_begins_with_the_weights_and_the_tokenizer_of_another(tmp_path, earlier):
    after_nothing(tmp_path / "run", earlier).ok()
    old, new = weights(earlier / "final"), weights(tmp_path / "run" / "final")
    assert old.keys() == new.keys()
    assert all((new[name] == old[name]).all() for name in old)
    own, its = (folder / "final" / "tokenizer.json" for folder in (earlier, tmp_path / "run"))
    assert json.loads(own.read_text()) == json.loads(its.read_text())
    record = Run(tmp_path / "run").read_record()
    assert record["run"]["init_from"]["checkpoint"] == str(earlier / "final")
    assert record["train"]["init_from"] == str(earlier)
    assert record["model"]["arch"] == "tiny-llama"
    assert record["sources"]["model"]["d_model"] == f"run {earlier.name}"
    state = json.loads((tmp_path / "run" / "checkpoints" / "checkpoint-1" / "trainer_state.json").read_text())
    assert state["global_step"] == 1


def test_a_resumed_run_still_says_what_it_began_with(tmp_path, earlier):
    after_nothing(tmp_path / "run", earlier).ok()
    began = Run(tmp_path / "run").read_record()["run"]["init_from"]
    run("train", "--resume", tmp_path / "run", "--max-steps", 2).ok()
    record = Run(tmp_path / "run").read_record()
    assert record["run"]["init_from"] == began
    assert len(record["run"]["resumed"]) == 1


def test_a_bare_folder_of_a_known_architecture_will_do(tmp_path, earlier):
    folder = shutil.copytree(earlier / "final", tmp_path / "weights")
    after_nothing(tmp_path / "run", folder).ok()
    assert Run(tmp_path / "run").read_record()["model"]["tokenizer"] == str(folder)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--tokenizer", "bpe:300"), "the tokenizer comes with {earlier}, not 'bpe:300'"),
        (("--arch", "tiny-llama-wide"), "{earlier} is of architecture 'tiny-llama', not 'tiny-llama-wide'"),
        (("--arch", "mamba"), "{earlier} is of architecture 'tiny-llama', not 'mamba'"),
        (("--resume", "{earlier}"), "--resume goes on with the run's own weights"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_does_not_go_with_the_checkpoint_is_one_line(tmp_path, earlier, arguments, says):
    given = [str(a).format(earlier=earlier) for a in arguments]
    output = () if "--resume" in given else ("--output", tmp_path / "run")
    result = run("train", *SAME, "--dataset", "additions@40", "--init-from", earlier, *output, *given)
    assert says.format(earlier=earlier) in result.error_line
    assert result.code == 2


def test_settings_that_make_another_model_are_refused(tmp_path, earlier):
    result = after_nothing(tmp_path / "run", earlier, "--set", "model.d_model=64")
    assert result.code == 2
    assert "holds 28,992 parameters, and the settings of [model] make 98,944" in result.err.splitlines()[-1]


def test_a_place_without_a_checkpoint_is_one_line(tmp_path):
    result = train_tiny(tmp_path / "run", "--init-from", tmp_path / "nowhere")
    assert "no checkpoint" in result.error_line
    (tmp_path / "empty").mkdir()
    assert "is no checkpoint" in train_tiny(tmp_path / "run", "--init-from", tmp_path / "empty").error_line


def test_a_model_that_no_architecture_knows_is_one_line(tmp_path, earlier):
    folder = shutil.copytree(earlier / "final", tmp_path / "weights")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))
    result = run("train", *SAME, "--init-from", folder, "--output", tmp_path / "run")
    assert f"no architecture knows {folder}, a 'gpt2'" in result.error_line


def test_a_tokenizer_without_a_chat_template_is_one_line(tmp_path, earlier):
    folder = shutil.copytree(earlier / "final", tmp_path / "weights")
    (folder / "chat_template.jinja").unlink()
    assert "has no chat template" in after_nothing(tmp_path / "run", folder).error_line
