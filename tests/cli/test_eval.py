"""`reason eval`: what it reads, what it writes, what it refuses."""

from __future__ import annotations

import json
import shutil
import time

import pytest
from support import read_lines, run, spawn, start, write_rows

from reason_cli.testing import byte_tokenizer

SHORT = ("--max-new-tokens", "8", "--device", "cpu", "--no-report")


@pytest.fixture
def tokenizer():
    return byte_tokenizer()


@pytest.fixture
def run_folder(trained, tiny, tmp_path):
    """A finished run of one's own."""
    return shutil.copytree(trained[0], tmp_path / "run")


def results_in(folder):
    (found,) = folder.glob("*/results.json")
    return json.loads(found.read_text(encoding="utf-8"))


def test_results_stand_in_the_run_and_the_table_is_printed(run_folder):
    result = run("eval", "additions", "--checkpoint", run_folder, "--limit", 6, *SHORT).ok()
    results = results_in(run_folder / "eval")
    assert results["n"] == 6 and results["settings"]["max_new_tokens"] == 8
    assert results["checkpoint"] == str(run_folder / "final")
    assert len(read_lines(next((run_folder / "eval").glob("*/samples.jsonl")))) == 6
    assert "accuracy" in result.out and "95% interval" in result.out and "digits" in result.out
    assert "results: " in result.out and str(run_folder) in result.out


def test_the_report_and_the_harness_files_stand_beside_the_results(run_folder):
    result = run("eval", "additions@3", "--checkpoint", run_folder, "--max-new-tokens", 8, "--device", "cpu").ok()
    (folder,) = (run_folder / "eval").iterdir()
    assert f"report:  {folder / 'report.html'}" in result.out
    assert list(folder.glob("*.png")) and list((folder / "lm-eval").rglob("samples_*.jsonl"))


def test_json_alone_goes_to_standard_output(run_folder):
    results = run("eval", "additions@3", "word-problems@4", "--checkpoint", run_folder, "--json", *SHORT).json()
    assert [r["n"] for r in results] == [3, 4]
    assert [r["dataset"] for r in results] == ["additions:test", "word-problems:test"]


def test_two_evaluations_in_one_second_do_not_overwrite_each_other(run_folder):
    run("eval", "additions@2", "additions@3", "--checkpoint", run_folder, "--set", "eval.max_new_tokens=1").ok()
    found = [json.loads(path.read_text()) for path in (run_folder / "eval").glob("*/results.json")]
    assert sorted(results["n"] for results in found) == [2, 3]


def test_an_output_that_cannot_be_made_is_refused_before_the_work(run_folder, tmp_path):
    (tmp_path / "file").write_text("x")
    result = run("eval", "additions@2", "--checkpoint", run_folder, "--output", tmp_path / "file" / "below", *SHORT)
    assert result.code == 1 and "cannot make" in result.error_line and result.out == ""


def test_a_terminal_that_knows_only_ascii_gets_its_figures(run_folder):
    result = spawn("eval", "additions@2", "--checkpoint", run_folder, *SHORT, PYTHONIOENCODING="ascii").ok()
    assert "accuracy" in result.out and "Traceback" not in result.err


def test_the_output_may_be_elsewhere(run_folder, tmp_path):
    run("eval", "additions@2", "--checkpoint", run_folder, "--output", tmp_path / "out", *SHORT).ok()
    assert results_in(tmp_path / "out")["n"] == 2 and not (run_folder / "eval").exists()


def test_bare_weights_are_recognised_by_their_type(run_folder, tmp_path):
    shutil.copytree(run_folder / "final", tmp_path / "weights")
    run("eval", "additions@2", "--checkpoint", tmp_path / "weights", *SHORT).ok()
    assert results_in(tmp_path / "eval")["n"] == 2


def test_weights_of_no_known_type_are_refused(run_folder, tmp_path):
    shutil.copytree(run_folder / "final", tmp_path / "weights")
    config = json.loads((tmp_path / "weights" / "config.json").read_text()) | {"model_type": "unheard-of"}
    (tmp_path / "weights" / "config.json").write_text(json.dumps(config))
    result = run("eval", "additions@2", "--checkpoint", tmp_path / "weights")
    assert result.code == 1 and "weights as a causal language model" in result.error_line


def test_a_checkpoint_within_the_run(run_folder):
    path = run_folder / "checkpoints" / "checkpoint-15"
    run("eval", "additions@2", "--checkpoint", path, *SHORT).ok()
    assert results_in(run_folder / "eval")["checkpoint"] == str(path)


def test_the_extractor_may_be_chosen(run_folder):
    run("eval", "additions@2", "--checkpoint", run_folder, "--extractor", "last-word", *SHORT).ok()
    assert results_in(run_folder / "eval")["settings"]["extractor"] == "last-word"
    result = run("eval", "additions@2", "--checkpoint", run_folder, "--extractor", "last-wrod")
    assert result.code == 2 and "unknown extractor 'last-wrod'; did you mean 'last-word'?" in result.error_line


def test_the_same_seed_samples_the_same(run_folder, tmp_path):
    texts = []
    for n, seed in enumerate((1, 1, 2)):
        sampled = ("--temperature", "1", "--eval-seed", seed, "--output", tmp_path / str(n))
        run("eval", "word-problems:test@4", "--checkpoint", run_folder, *sampled, *SHORT).ok()
        lines = read_lines(next((tmp_path / str(n)).glob("*/samples.jsonl")))
        texts.append([line["output"] for line in lines])
    assert texts[0] == texts[1] != texts[2]


def test_training_and_evaluation_see_the_same_prompt(run_folder):
    """The system prompt of the run is that of its evaluation."""
    text = (run_folder / "run.toml").read_text(encoding="utf-8")
    (run_folder / "run.toml").write_text(text.replace('system_prompt = ""', 'system_prompt = "Be brief."'), "utf-8")
    run("eval", "additions@2", "--checkpoint", run_folder, *SHORT).ok()
    assert results_in(run_folder / "eval")["settings"]["system_prompt"] == "Be brief."


def test_a_local_file_is_graded(run_folder, tmp_path):
    path = write_rows(tmp_path / "mine.jsonl", [{"question": "1 + 1?", "answer": "2"}] * 3)
    run("eval", path, "--checkpoint", run_folder, *SHORT).ok()
    assert results_in(run_folder / "eval")["n"] == 3


# --- other models, other prompts -----------------------------------------------------------------------------------

ASK = ("--template", "Q: {question}\\nA:", "--stop", "Q:")


@pytest.fixture
def gpt2(tmp_path, tokenizer):
    """A folder as `transformers` writes it, of a model that no plugin knows and a tokenizer without a chat template."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    ends = {"bos_token_id": tokenizer.eos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=256, n_embd=16, n_layer=1, n_head=2, **ends)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    (tmp_path / "base" / "chat_template.jinja").unlink()
    return tmp_path / "base"


def test_any_causal_model_is_a_checkpoint_once_it_is_said_how_to_ask(gpt2, tiny, tmp_path):
    result = run("eval", "additions@2", "--checkpoint", gpt2, *SHORT)
    assert result.code == 1 and "has no chat template" in result.error_line and "--template" in result.error_line
    run("eval", "additions@2", "--checkpoint", gpt2, *ASK, *SHORT).ok()
    results = results_in(tmp_path / "eval")
    assert results["n"] == 2 and results["model"] == "base"
    assert results["settings"]["stop"] == ["Q:"] and results["contamination"] is None


def test_a_template_without_a_question_is_refused(run_folder):
    result = run("eval", "additions@2", "--checkpoint", run_folder, "--template", "Answer:", *SHORT)
    assert result.code == 2 and "eval.template has no {question} in it" in result.error_line


def test_a_model_of_the_hub_that_cannot_be_had(tiny):
    result = run("eval", "additions@2", "--checkpoint", "nobody/no-such-model")
    assert result.code == 1 and "nobody/no-such-model" in result.error_line


def test_shots_come_from_the_train_split(run_folder):
    run("eval", "additions@2", "--checkpoint", run_folder, "--shots", 2, *SHORT).ok()
    assert results_in(run_folder / "eval")["settings"]["shots"] == 2


def test_shots_of_a_file_are_its_other_rows(run_folder, tmp_path):
    rows = [{"question": f"{n} + 1?", "answer": str(n + 1)} for n in range(4)]
    path = write_rows(tmp_path / "mine.jsonl", rows)
    run("eval", path, "--checkpoint", run_folder, "--shots", 3, *SHORT).ok()
    result = run("eval", path, "--checkpoint", run_folder, "--shots", 4, *SHORT)
    assert result.code == 1 and "4 shots were asked for" in result.err and "has 4 questions" in result.err


def test_shots_of_a_train_split_that_cannot_be_had_come_from_the_test_rows(run_folder, tmp_path, monkeypatch):
    rows = [{"Body": f"Ann has {n} pens.", "Question": "How many?", "Answer": str(n)} for n in range(5)]
    write_rows(tmp_path / "data" / "svamp" / "test.jsonl", rows)
    monkeypatch.setenv("REASON_DATA", str(tmp_path / "data"))
    result = run("eval", "svamp", "--checkpoint", run_folder, "--shots", 2, *SHORT).ok()
    assert "shots are drawn from svamp:test" in result.err
    assert results_in(run_folder / "eval")["n"] == 5


# --- several checkpoints -------------------------------------------------------------------------------------------


def test_several_checkpoints_are_compared_and_vote(run_folder, tmp_path):
    both = ("--checkpoint", run_folder / "checkpoints" / "checkpoint-15", "--checkpoint", run_folder)
    result = run("eval", "additions@6", *both, *SHORT).ok()
    assert "2 checkpoints and their vote" in result.out and "McNemar" in result.out
    name = run_folder.name
    assert f"additions:test, {name}/checkpoint-15: accuracy" in result.out
    assert f"additions:test, {name}: accuracy" in result.out
    assert len(list((run_folder / "eval").glob("*/results.json"))) == 2
    (folder,) = (tmp_path / "eval").iterdir()
    assert json.loads((folder / "ensemble" / "results.json").read_text())["model"] == "ensemble of 2"
    compared = json.loads((folder / "comparison.json").read_text())
    assert len(compared) == 2 and compared[0]["n"] == 6
    assert f"report:  {folder.relative_to(tmp_path) / 'report.html'}" in result.out


def test_several_checkpoints_and_datasets_as_json(run_folder, tmp_path):
    both = ("--checkpoint", run_folder / "checkpoints" / "checkpoint-15", "--checkpoint", run_folder)
    output = ("--output", tmp_path / "out", "--no-report")
    found = run("eval", "additions@3", "word-problems@2", *both, "--json", *output, *SHORT).json()
    assert [(r["dataset"], r["n"]) for r in found] == [("additions:test", 3), ("word-problems:test", 2)] * 3
    assert [len(r.get("comparisons", [])) for r in found] == [0, 0, 0, 0, 2, 2]


# --- interrupted ---------------------------------------------------------------------------------------------------


def test_an_evaluation_that_was_killed_ends_as_one_that_was_not(run_folder, tmp_path):
    """SIGKILL at two moments, by how much was answered; then the same command once more."""
    command = ["eval", "additions@100", "--checkpoint", run_folder, "--batch-size", 16, "--max-new-tokens", 24]
    command += ["--device", "cpu", "--no-report", "--samples", 2, "--temperature", 0.7]
    run(*command, "--output", tmp_path / "whole").ok()
    for lines in (5, 100):
        process = start(*command, "--output", tmp_path / "killed")
        deadline = time.monotonic() + 120
        while answered(tmp_path / "killed") < lines and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        assert lines <= answered(tmp_path / "killed") < 200, "it was killed in the midst of it"
    last = run(*command, "--output", tmp_path / "killed").ok()
    assert "answers are there already" in last.err
    (whole,), (killed,) = ((tmp_path / name).iterdir() for name in ("whole", "killed"))
    assert sorted(p.name for p in killed.iterdir()) == ["results.json", "samples.jsonl"]
    assert (whole / "samples.jsonl").read_bytes() == (killed / "samples.jsonl").read_bytes()
    untimed = [path.read_text().rpartition('"timing"')[0] for path in (whole / "results.json", killed / "results.json")]
    assert untimed[0] == untimed[1] != ""


def answered(root):
    return sum(path.read_bytes().count(b"\n") for path in root.glob("*/answers.jsonl"))


def test_plain_text_cannot_be_graded(run_folder, tiny):
    tiny.add("texts", TEXTS)
    result = run("eval", "texts@3", "--checkpoint", run_folder)
    assert result.code == 1 and "is plain text and asks nothing" in result.error_line


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


def test_several_answers_without_chance_are_told_to_be_the_same(run_folder):
    asked = ("eval", "additions@2", "--checkpoint", run_folder, "--samples", 3, *SHORT)
    same = "at temperature 0 all 3 answers to a question are the same; set --temperature"
    assert same in run(*asked).ok().err
    assert same not in run(*asked, "--temperature", 0.5).ok().err
