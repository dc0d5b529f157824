"""Grading: what is counted, and what is written down."""

from __future__ import annotations

import json

import pytest
from support import Said, read_lines

from reason_cli.api import Example
from reason_cli.config import EvalOptions
from reason_cli.engine import evaluate as subject
from reason_cli.engine.chat import Template
from reason_cli.engine.evaluate import Task, evaluate, grade, summarise
from reason_cli.engine.generate import Answer
from reason_cli.engine.hardware import Precision
from reason_cli.engine.sources import Request, Spec, make_source
from reason_cli.engine.subject import Subject
from reason_cli.testing import Additions, LastWord


def sample(expected, text, finished=True, **tags):
    return grade(0, Example("q", "", expected, tags), Answer(text, 5, finished), LastWord())


def test_an_answer_is_graded_by_its_extractor():
    right, wrong, none = sample("4", "it is 4."), sample("4", "it is 5."), sample("4", " ")
    assert (right.correct, right.predicted, right.strategy, right.span) == (True, "4", "last-word", (6, 7))
    assert (wrong.correct, wrong.predicted) == (False, "5")
    assert (none.correct, none.predicted, none.strategy, none.span) == (False, None, None, None)


def test_the_summary_counts_and_breaks_down_by_tag():
    samples = [
        sample("1", "1", steps=1),
        sample("1", "2", steps=1),
        sample("1", "1", steps=10, kind="long"),
        sample("1", "", finished=False, steps=2),
    ]
    facts = summarise(samples)
    assert (facts["n"], facts["correct"], facts["accuracy"]) == (4, 2, 0.5)
    assert facts["no_answer_rate"] == facts["cut_off_rate"] == 0.25
    assert facts["mean_tokens"] == 5
    assert facts["strategies"] == {"last-word": 3, "none": 1}
    assert list(facts["by"]["steps"]) == ["1", "2", "10"], "numbers in their own order"
    assert facts["by"]["steps"]["1"]["accuracy"] == 0.5
    assert facts["by"]["kind"]["long"]["n"] == 1
    low, high = facts["wilson95"]
    assert low < 0.5 < high


@pytest.fixture
def evaluated(model, tokenizer, tmp_path, monkeypatch):
    """Evaluate a model that says the right sum to every question but those that end in 0."""

    def right(model, tokenizer, prompts, decoding, done):
        sums = [
            [int(word.strip("?")) for word in p.split("<|im_end|>")[0].split() if word.strip("?").isdigit()]
            for p in prompts
        ]
        return [Answer("" if sum(s) % 10 == 0 else f"so {sum(s)}.", 4, True) for s in sums]  # fmt: skip

    monkeypatch.setattr(subject, "answer", right)
    source = make_source(Request(Spec.parse("additions"), Additions(), None), "test", None)
    task = Task(source, LastWord())
    options = EvalOptions(limit=40)
    said = Said()
    who = Subject(model, tokenizer, Precision("fp32", "asked"), "here")
    return evaluate(who, task, options, Template(), tmp_path / "eval", said), tmp_path / "eval", said


def test_results_and_samples_are_written(evaluated):
    evaluation, folder, said = evaluated
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert results == json.loads(json.dumps(evaluation.results))
    lines = read_lines(folder / "samples.jsonl")
    assert len(lines) == results["n"] == 40
    assert results["correct"] == sum(line["correct"] for line in lines) > 0
    assert results["accuracy"] == results["correct"] / 40
    missing = sum(line["predicted"] is None for line in lines)
    assert results["no_answer_rate"] == missing / 40 > 0
    assert results["dataset"] == "additions:test" and results["data"]["rows"] == 40
    assert results["tokens"] == 160 and results["tokens_per_second"] > 0
    assert set(results["by"]) == {"digits"}
    assert any("hold no answer that 'last-word' can read" in warning for warning in said.warnings)


def test_each_sample_holds_what_one_needs_to_check_it(evaluated):
    _, folder, _ = evaluated
    line = next(line for line in read_lines(folder / "samples.jsonl") if line["correct"])
    start, end = line["span"]
    assert line["output"][start:end] == line["predicted"] == line["expected"]
    assert line["question"].startswith("What is") and line["finished"] and line["tokens"] == 4


def test_the_settings_that_made_the_figures_are_kept(evaluated):
    evaluation, _, _ = evaluated
    settings = evaluation.results["settings"]
    assert settings["extractor"] == "last-word" and settings["temperature"] == 0.0 and settings["limit"] == 40
    assert len(settings["prompts_sha256"]) == len(settings["chat_template_sha256"]) == 64


def test_an_endless_dataset_gives_200_unless_told_otherwise():
    def count(text, **options):
        task = Task(make_source(Request(Spec.parse(text), Additions(), None), "test", None), LastWord())
        return len(subject.load_questions(task, EvalOptions(**options), Said()).items)

    assert count("additions") == 200
    assert count("additions@30") == 30
    assert count("additions", limit=20) == 20


def test_a_verifier_may_judge_by_more_than_the_answer():
    class Even(LastWord):
        def correct(self, predicted, example):
            return int(predicted) % example.reference["of"] == 0

    example = Example("an even number?", "", "2", reference={"of": 2})
    graded = [grade(0, example, Answer(text, 1, True), Even()).correct for text in ("it is 8.", "it is 7.")]
    assert graded == [True, False]


# --- contamination -------------------------------------------------------------------------------------------------


def part(found=0, dropped=0, label="gsm8k:test"):
    return {"searched_for": [label], "contaminated": {label: {"question": found}} if found else {}, "dropped": dropped}


@pytest.mark.parametrize(
    ("trained_on", "rows"),
    [
        ([], None),
        ([part()], 0),
        ([part(5)], 5),
        ([part(5, dropped=5)], 0),
        ([part(5), part(2)], 7),
        ([part(5), part(label="svamp:test")], None),
        ([{"dataset": "streamed", "searched_for": []}], None),
    ],
)
def test_what_a_run_says_of_its_data_tells_whether_a_figure_counts(trained_on, rows):
    assert subject.contamination(trained_on, "gsm8k:test") == rows
