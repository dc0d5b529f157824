"""Evaluations read back: what is found, and what is refused with its file and line."""

from __future__ import annotations

import json
import os

import pytest
from evaluations import samples_of, write_evaluation

from reason_cli.engine.graded import evaluation_folder, read_graded
from reason_cli.errors import ReasonError


@pytest.fixture
def folder(tmp_path):
    return write_evaluation(tmp_path / "sums-1", samples_of([1, 0, 1]))


def refused(path):
    with pytest.raises(ReasonError) as error:
        read_graded(path)
    assert error.value.hint
    return str(error.value)


def test_what_was_written_is_read(folder):
    graded = read_graded(folder)
    assert list(graded.samples) == samples_of([1, 0, 1])
    assert (graded.results["n"], graded.folder, graded.label) == (3, folder, "sums-1")
    assert read_graded(folder / "results.json") == graded


def test_without_a_model_the_folder_is_the_label(tmp_path):
    assert read_graded(write_evaluation(tmp_path / "old", samples_of([1]), model="")).label == "old"


def test_keys_that_are_not_known_are_passed_over(folder):
    rows = [json.loads(line) | {"later": 1} for line in (folder / "samples.jsonl").read_text().splitlines()]
    (folder / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert list(read_graded(folder).samples) == samples_of([1, 0, 1])


def test_the_one_evaluation_of_a_run_is_found(tmp_path):
    run = tmp_path / "run"
    one = write_evaluation(run / "eval" / "sums-1", samples_of([1]))
    (run / "run.toml").write_text("")
    (run / "metrics.jsonl").write_text("")
    assert evaluation_folder(run) == evaluation_folder(run / "eval") == evaluation_folder(one) == one


def test_of_several_the_newest_is_named_first(tmp_path):
    run = tmp_path / "run"
    for age, name in enumerate(("c", "a/x", "b")):
        made = write_evaluation(run / "eval" / name, samples_of([1])) / "results.json"
        os.utime(made, (1e9 - age, 1e9 - age))
    (run / "run.toml").write_text("")
    text = refused(run)
    assert "holds 3 evaluations, newest first: eval/c, eval/a/x, eval/b" in text
    assert f"pass one, as {run / 'eval' / 'c'}" in text


@pytest.mark.parametrize("name", ["nothing", "nothing/results.json"])
def test_what_is_not_there(tmp_path, name):
    assert f"no evaluation '{tmp_path / name}'" in refused(tmp_path / name)


def test_what_is_no_evaluation(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    assert "holds no evaluation: there is no results.json" in refused(tmp_path / "empty")
    assert "notes.txt is no evaluation" in refused(tmp_path / "notes.txt")


@pytest.mark.parametrize("left", ["unfinished.json", "samples.jsonl"])
def test_one_that_is_not_finished(folder, left):
    (folder / "results.json").rename(folder / "unfinished.json")
    for path in folder.iterdir():
        if path.name != left:
            path.unlink()
    text = refused(folder)
    assert "is not finished: it has no results.json" in text and "goes on where it stopped" in text


def test_one_without_its_answers(folder):
    (folder / "samples.jsonl").unlink()
    assert f"{folder} has no samples.jsonl" in refused(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n"n": 3,\n"correct": }', "results.json:3 is not JSON"),
        ("[" * 100_000, "results.json is not JSON"),
        ("[1]", "results.json is no JSON object"),
        ('{"dataset": "x"}', "does not say 'checkpoint'"),
        ('{"dataset": "x", "checkpoint": "", "n": "3"}', "does not say 'n'"),
    ],
)
def test_broken_results(folder, text, said):
    (folder / "results.json").write_text(text)
    assert said in refused(folder)


def test_results_that_are_not_text(folder):
    (folder / "results.json").write_bytes(b"\xff\xfe{")
    assert "is not JSON in UTF-8" in refused(folder)


def change(folder, line, **fields):
    """Change the fields of a line; a field that is `...` goes."""
    path = folder / "samples.jsonl"
    lines = path.read_text().splitlines()
    row = {k: v for k, v in (json.loads(lines[line - 1]) | fields).items() if v is not ...}
    lines[line - 1] = json.dumps(row)
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("strict", ..., "has no 'strict'"),
        ("correct", "yes", "has a 'correct' that is str"),
        ("correct", 1, "has a 'correct' that is int"),
        ("id", True, "has a 'id' that is bool"),
        ("question", None, "has a 'question' that is NoneType"),
        ("span", [4], "has a 'span' that is no pair of places"),
        ("span", ["a", "b"], "has a 'span' that is no pair of places"),
    ],
)
def test_a_line_that_is_no_sample_is_named(folder, field, value, said):
    change(folder, 2, **{field: value})
    assert f"{folder / 'samples.jsonl'}:2 {said}" in refused(folder)


@pytest.mark.parametrize("text", ['{"id": 1,', "[]", '"x"', "{" * 100_000])
def test_a_line_that_is_no_object_is_named(folder, text):
    path = folder / "samples.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], text]))
    assert f"{path}:3 cannot be read" in refused(folder)


def test_answers_that_are_missing_or_too_many(folder):
    path = folder / "samples.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2]))
    assert "samples.jsonl holds 2 answers, results.json counts 3" in refused(folder)
    path.write_text("".join(lines * 2))
    assert "samples.jsonl holds 6 answers, results.json counts 3" in refused(folder)


def test_several_answers_to_a_question_are_counted_as_such(tmp_path):
    folder = write_evaluation(tmp_path / "x", samples_of([[1, 0], [1, 1]]))
    assert len(read_graded(folder).samples) == 4
    change(folder, 1, correct=False)
    assert "do not agree on what is right" in refused(folder)


def test_an_evaluation_of_nothing(tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    zero = {"dataset": "x", "checkpoint": "", "n": 0, "correct": 0, "settings": {}}
    (folder / "results.json").write_text(json.dumps(zero))
    (folder / "samples.jsonl").write_text("")
    assert "is of no questions" in refused(folder)
