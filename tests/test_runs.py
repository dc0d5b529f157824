"""The run directory: nothing half written is ever taken for whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reason_cli import runs
from reason_cli.errors import ReasonError
from reason_cli.runs import Checkpoint, Run, is_complete, is_weights, seal, write_json, write_text


def make_checkpoint(folder, step=None):
    """A folder that looks like weights; sealed when it has a step."""
    path = folder if step is None else folder / "checkpoints" / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "config.json").write_text('{"model_type": "llama"}')
    (path / "model.safetensors").write_bytes(b"x" * 100)
    if step is not None:
        seal(path)
    return path


def make_run(folder):
    run = Run.create(folder)
    run.write_record({"run": {"seed": 0}})
    return run


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "old")

    def full(descriptor):
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(runs.os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_text(path, "new")
    assert path.read_text() == "old"


def test_a_written_file_leaves_nothing_beside_it(tmp_path):
    write_json(tmp_path / "a.json", {"é": 1})
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert "é" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_create_takes_an_empty_folder_and_no_other(tmp_path):
    assert Run.create(tmp_path / "new").path.is_dir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "train.log").write_text("a run that failed before it began")
    Run.create(tmp_path / "empty")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(ReasonError, match="is not empty; choose another --output"):
        Run.create(tmp_path / "full")
    with pytest.raises(ReasonError, match="is not empty"):
        Run.create(tmp_path / "full" / "notes.txt")
    with pytest.raises(ReasonError, match="cannot make"):
        Run.create(tmp_path / "full" / "notes.txt" / "below")


def test_open_needs_a_settings_file(tmp_path):
    with pytest.raises(ReasonError, match=r"no run directory: it has no run\.toml"):
        Run.open(tmp_path)
    make_run(tmp_path / "run")
    assert Run.open(tmp_path / "run").final == tmp_path / "run" / "final"


def test_a_sealed_folder_is_complete_until_something_is_amiss(tmp_path):
    folder = tmp_path / "c"
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_bytes(b"12345")
    (folder / "sub" / "b").write_bytes(b"1")
    assert not is_complete(folder), "no manifest yet"
    seal(folder)
    assert is_complete(folder)
    assert set(json.loads((folder / "manifest.json").read_text())) == {"a", "sub/b"}
    (folder / "a").write_bytes(b"1234")
    assert not is_complete(folder), "a truncated file"
    (folder / "a").write_bytes(b"12345")
    assert is_complete(folder)
    (folder / "sub" / "b").unlink()
    assert not is_complete(folder), "a missing file"


@pytest.mark.parametrize("manifest", ["", "{", "[]", "3", '{"a": "five"}', "null"])
def test_a_broken_manifest_is_not_complete(tmp_path, manifest):
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "manifest.json").write_text(manifest)
    assert not is_complete(tmp_path)


def test_complete_checkpoints_are_ordered_by_step(tmp_path):
    run = make_run(tmp_path / "run")
    for step in (100, 9, 20):
        make_checkpoint(run.path, step)
    (run.checkpoints / "checkpoint-best").mkdir()
    torn = make_checkpoint(run.path, 500)
    (torn / "model.safetensors").write_bytes(b"x")
    assert [p.name for p in run.complete_checkpoints()] == ["checkpoint-9", "checkpoint-20", "checkpoint-100"]


def test_find_prefers_final_then_the_newest_whole_checkpoint(tmp_path):
    run = make_run(tmp_path / "run")
    with pytest.raises(ReasonError, match="no finished checkpoint yet; go on with --resume"):
        Checkpoint.find(run.path)
    make_checkpoint(run.path, 10)
    torn = make_checkpoint(run.path, 20)
    (torn / "config.json").write_text("{")
    assert Checkpoint.find(run.path) == Checkpoint(run.checkpoints / "checkpoint-10", run)
    make_checkpoint(run.final)
    assert Checkpoint.find(run.path) == Checkpoint(run.final, run)


def test_find_knows_the_run_of_a_folder_inside_it(tmp_path):
    run = make_run(tmp_path / "run")
    for folder in (make_checkpoint(run.path, 10), make_checkpoint(run.final)):
        found = Checkpoint.find(folder)
        assert found.path == folder and found.run and found.run.path == run.path.resolve()


def test_find_takes_bare_weights_whole_or_sharded(tmp_path):
    folder = make_checkpoint(tmp_path / "weights")
    assert Checkpoint.find(folder) == Checkpoint(folder, None)
    shards = [folder / f"model-{n}-of-2.safetensors" for n in (1, 2)]
    (folder / "model.safetensors").rename(shards[0])
    write_json(folder / "model.safetensors.index.json", {"weight_map": {"a": shards[0].name, "b": shards[1].name}})
    with pytest.raises(ReasonError, match=r"it has no config\.json with weights"):
        Checkpoint.find(folder)
    shards[1].write_bytes(b"x")
    assert Checkpoint.find(folder).run is None


@pytest.mark.parametrize("index", ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": "../none"}}'])
def test_a_broken_index_of_shards_is_no_weights(tmp_path, index):
    folder = make_checkpoint(tmp_path / "weights")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(index)
    assert not is_weights(folder)


def test_find_takes_adapters_which_are_of_no_type(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ReasonError, match="is no checkpoint"):
        Checkpoint.find(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"x")
    assert Checkpoint.find(tmp_path) == Checkpoint(tmp_path, None)
    assert Checkpoint.find(tmp_path).model_type == ""


@pytest.mark.parametrize(
    ("name", "id", "revision"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct", ""),
        ("state-spaces/mamba-130m-hf@main", "state-spaces/mamba-130m-hf", "main"),
        ("owner/name@refs/pr/3", "owner/name", "refs/pr/3"),
    ],
)
def test_find_knows_a_model_of_the_hub_by_its_name(name, id, revision):
    found = Checkpoint.find(Path(name))
    assert (found.hub_id, found.revision, found.run) == (id, revision, None)


@pytest.mark.parametrize("name", ["gpt2", "/abs/olute", "../up", "a/b/c", "~/x", "a/b@"])
def test_find_takes_no_other_name_for_one_of_the_hub(name):
    with pytest.raises(ReasonError, match=r"no checkpoint .* a model of the hub as OWNER/NAME"):
        Checkpoint.find(Path(name))


def test_find_says_what_is_wrong(tmp_path):
    with pytest.raises(ReasonError, match="no checkpoint") as missing:
        Checkpoint.find(tmp_path / "none")
    assert missing.value.usage
    with pytest.raises(ReasonError, match=r"it has no config\.json with weights"):
        Checkpoint.find(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ReasonError, match="is no checkpoint"):
        Checkpoint.find(tmp_path / "file")
