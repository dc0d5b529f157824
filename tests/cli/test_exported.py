"""What was exported, as a checkpoint: asked as its run is, in what it was written for, and only while it is whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support import run

ASKED = ("--limit", 4, "--no-report", "--json")


@pytest.fixture
def own(tiny, trained, tmp_path):
    """A run that may be changed, with evaluations of its own."""
    folder = Path(shutil.copytree(trained[0], tmp_path / "own"))
    text = (folder / "run.toml").read_text(encoding="utf-8")
    assert "max_new_tokens = " in text
    lines = ["max_new_tokens = 7" if line.startswith("max_new_tokens = ") else line for line in text.splitlines()]
    (folder / "run.toml").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Where the run is exported to by the first test that needs it."""
    return tmp_path_factory.mktemp("exported") / "out"


@pytest.fixture
def out(own, once, tmp_path):
    """It, exported."""
    if not once.exists():
        run("export", "state-dict", "--checkpoint", own, "--output", once, "--threads", 1).ok()
    return Path(shutil.copytree(once, tmp_path / "out"))


def graded(checkpoint, output, *more):
    (results,) = run("eval", "additions", "--checkpoint", checkpoint, "--output", output, *ASKED, *more).json()
    return results


def test_it_is_asked_as_its_run_is(own, out, tmp_path):
    theirs, ours = graded(out, tmp_path / "a"), graded(own, tmp_path / "b")
    assert theirs["settings"]["max_new_tokens"] == ours["settings"]["max_new_tokens"] == 7
    same = [next((tmp_path / name).glob("*/samples.jsonl")).read_text().splitlines() for name in "ab"]
    assert [json.loads(line)["question"] for line in same[0]] == [json.loads(line)["question"] for line in same[1]]
    assert run("compare", *(next((tmp_path / name).glob("*/results.json")).parent for name in "ab")).code == 0
    assert graded(out, tmp_path / "c", "--max-new-tokens", 5)["settings"]["max_new_tokens"] == 5


def test_what_is_told_to_do_next_is_what_the_run_learned(own, tmp_path):
    said = run("export", "state-dict", "--checkpoint", own, "--output", tmp_path / "o ut", "--threads", 1).ok().out
    assert said.endswith(f"next:\n  reason eval additions --checkpoint '{tmp_path}/o ut'\n")


def test_settings_of_plugins_that_are_not_here_are_left_out(out, tmp_path):
    record = json.loads((out / "export.json").read_text())
    record["settings"]["data.of-another.size"] = 3
    (out / "export.json").write_text(json.dumps(record))
    assert graded(out, tmp_path / "a")["n"] == 4


def test_it_says_the_precision_that_it_was_written_in(out, tmp_path):
    record = json.loads((out / "export.json").read_text())
    (out / "export.json").write_text(json.dumps({**record, "precision": "int8"}))
    assert graded(out, tmp_path / "a")["settings"]["precision"] == "int8"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--device", "cuda"), "runs in state-dict on the CPU, not on cuda; leave --device out"),
        (("--precision", "bf16"), "was exported in fp32, and runs in no other precision; export it again for bf16"),
    ],
)
def test_what_it_cannot_be_run_in_is_refused(out, asked, said):
    result = run("eval", "additions", "--checkpoint", out, *asked)
    assert result.code == 2 and f"{out} {said}" in result.error_line


def test_one_within_its_run_is_not_asked_to_run_where_that_was_trained(own, tmp_path):
    run("export", "state-dict", "--checkpoint", own, "--output", own / "out", "--threads", 1).ok()
    text = (own / "run.toml").read_text(encoding="utf-8")
    assert '\ndevice = "cpu"\n' in text
    (own / "run.toml").write_text(text.replace('\ndevice = "cpu"\n', '\ndevice = "cuda"\n'), encoding="utf-8")
    assert graded(own / "out", tmp_path / "a")["settings"]["max_new_tokens"] == 7


def test_one_that_was_changed_is_refused(out, tmp_path):
    (out / "README.md").write_text("my notes")
    assert graded(out, tmp_path / "a")["n"] == 4, "text may be edited"
    weights = out / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4] + b"\0\0\0\1")
    line = run("eval", "additions", "--checkpoint", out).error_line
    assert line == f"error: {weights} is not what was exported; export the model again"
    weights.unlink()
    assert run("eval", "additions", "--checkpoint", out).error_line == line


def test_its_identity_is_of_its_files(out):
    from reason_cli.engine.identity import weights_sha256

    before = weights_sha256(out)
    (out / "tokenizer_config.json").write_text((out / "tokenizer_config.json").read_text() + "\n")
    assert weights_sha256(out) != before


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_broken_result_of_the_run_is_no_reason_not_to_export(own, tmp_path, text):
    (own / "eval" / "x").mkdir(parents=True, exist_ok=True)
    (own / "eval" / "x" / "results.json").write_text(text)
    run("export", "state-dict", "--checkpoint", own, "--output", tmp_path / "out", "--threads", 1).ok()


def test_weights_without_a_tokenizer_are_one_line(own, tmp_path):
    for path in (own / "final").glob("tokenizer*"):
        path.unlink()
    result = run("export", "state-dict", "--checkpoint", own, "--output", tmp_path / "out")
    assert result.code == 1 and "has no tokenizer; put its tokenizer.json beside the weights" in result.err


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_final_that_is_not_whole_is_said(own, tmp_path, name):
    (own / "final" / name).unlink()
    result = run("export", "state-dict", "--checkpoint", own, "--output", tmp_path / "out")
    assert result.code == 1 and not (tmp_path / "out").exists()
    assert result.error_line == (f"error: {own}/final lacks its config.json or weights; pass one of {own}/checkpoints")


def test_a_format_has_its_settings_from_everywhere(own, tmp_path, monkeypatch):
    def off_by(name, *more):
        how = ("--checkpoint", own, "--output", tmp_path / name, "--threads", 1, "--json", *more)
        return run("export", "state-dict", *how).json()["options"]["off_by"]

    (tmp_path / "own.toml").write_text("[export]\noff_by = 1e-9\n")
    assert off_by("a", "--profile", tmp_path / "own.toml") == 1e-9
    monkeypatch.setenv("REASON_EXPORT_OFF_BY", "1e-8")
    assert off_by("b", "--profile", tmp_path / "own.toml") == 1e-8
    assert off_by("c", "--off-by", "0") == 0
    monkeypatch.setenv("REASON_EXPORT_OF_BY", "1")
    line = run("export", "state-dict", "--checkpoint", own, "--output", tmp_path / "d").error_line
    assert "unknown setting 'REASON_EXPORT_OF_BY' (environment); did you mean 'REASON_EXPORT_OFF_BY'?" in line
