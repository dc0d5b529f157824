"""Evaluation: what is asked, written down, and taken over from an earlier start."""

from __future__ import annotations

import json

import pytest
from support import Said, read_lines

from reason_cli.config import EvalOptions
from reason_cli.engine import backends
from reason_cli.engine import evaluate as subject
from reason_cli.engine.evaluate import Task, evaluate
from reason_cli.engine.generate import Answer
from reason_cli.engine.hardware import Precision
from reason_cli.engine.prompts import Prompting
from reason_cli.engine.sources import Request, Spec, make_source
from reason_cli.engine.subject import Subject
from reason_cli.testing import Additions, LastWord

ASKED = 40


@pytest.fixture
def calls(monkeypatch):
    """The requests of each call for answers. The right sum is said, but to questions whose sum ends in 0 nothing."""
    made = []

    def right(model, tokenizer, requests, decoding, heard):
        made.append(list(requests))
        for index in reversed(range(len(requests))):
            words = requests[index].prompt.split("<|im_end|>")[0].split()
            total = sum(int(word.strip("?")) for word in words if word.strip("?").isdigit())
            yield index, Answer("" if total % 10 == 0 else f"so {total}.", 4, True)

    monkeypatch.setattr(backends, "answers", right)
    return made


@pytest.fixture
def evaluated(model, tokenizer, tmp_path, calls):
    """A function that evaluates the sums into one folder; gives what it gave and what it said."""

    def go(**options):
        source = make_source(Request(Spec.parse("additions"), Additions(), None), "test", None)
        train = make_source(Request(Spec.parse("additions"), Additions(), None), "train", None)
        said = Said()
        model.save_pretrained(tmp_path / "here")
        who = Subject(model, tokenizer, Precision("fp32", "asked"), str(tmp_path / "here"))
        asked = EvalOptions(**{"limit": ASKED, "report": False, **options})
        return evaluate(who, Task(source, train, LastWord()), asked, Prompting(), tmp_path / "eval", said), said

    return go


def test_results_and_samples_are_written(evaluated):
    graded, said = evaluated()
    results = json.loads((graded.folder / "results.json").read_text(encoding="utf-8"))
    assert results == json.loads(json.dumps(graded.results))
    lines = read_lines(graded.folder / "samples.jsonl")
    assert len(lines) == results["n"] == ASKED
    assert results["correct"] == sum(line["correct"] for line in lines) > 0
    assert results["accuracy"] == results["correct"] / ASKED
    missing = sum(line["predicted"] is None for line in lines)
    assert results["no_answer_rate"] == missing / ASKED > 0
    assert results["dataset"] == "additions:test" and results["data"]["rows"] == ASKED
    assert results["tokens"] == 4 * ASKED and results["timing"]["tokens_per_second"] > 0
    assert set(results["by"]) == {"digits"} and set(results["errors"]) == {"slips", "by"}
    assert any("hold no answer that 'last-word' can read" in warning for warning in said.warnings)
    assert sorted(path.name for path in graded.folder.iterdir()) == ["results.json", "samples.jsonl"]


def test_each_sample_holds_what_one_needs_to_check_it(evaluated):
    graded, _ = evaluated()
    line = next(line for line in read_lines(graded.folder / "samples.jsonl") if line["correct"])
    start, end = line["span"]
    assert line["output"][start:end] == line["predicted"] == line["expected"]
    assert line["question"].startswith("What is") and line["finished"] and line["tokens"] == 4
    assert line["reasoning"].endswith(f"= {line['expected']}")


def test_the_settings_that_made_the_figures_are_kept(evaluated):
    settings = evaluated()[0].results["settings"]
    assert settings["extractor"] == "last-word" and settings["temperature"] == 0.0 and settings["shots"] == 0
    assert len(settings["prompts_sha256"]) == len(settings["chat_template_sha256"]) == 64


def test_several_answers_to_each_question(evaluated, calls):
    graded, _ = evaluated(samples=3, temperature=1.0)
    assert len(calls[0]) == len(graded.samples) == 3 * ASKED
    assert len({request.seed for request in calls[0]}) == 3 * ASKED, "each has random numbers of its own"
    assert graded.results["n"] == ASKED and graded.results["answers"] == 3 * ASKED
    assert [(s.id, s.sample) for s in graded.samples[:4]] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert graded.results["pass_at_k"]["1"]["value"] == pytest.approx(graded.results["accuracy"])
    assert set(graded.results["maj_at_k"]) == set(graded.results["pass_at_k"]) == {"1", "2", "3"}


def test_shots_come_before_each_question(evaluated, calls):
    plain, shown = evaluated()[0], evaluated(shots=2)[0]
    assert calls[0][0].prompt.count("Final Answer") == 0 and calls[1][0].prompt.count("Final Answer") == 2
    assert plain.folder != shown.folder


def test_the_harness_is_told_what_was_asked(evaluated, calls, monkeypatch):
    monkeypatch.setattr(subject, "write_page", lambda *arguments: None)
    graded, _ = evaluated(report=True, limit=3)
    (samples,) = graded.folder.glob("lm-eval/samples_*.jsonl")
    asked = [row["arguments"]["gen_args_0"]["arg_0"] for row in read_lines(samples)]
    assert asked[:3] == [request.prompt for request in calls[0]]


# --- taken over --------------------------------------------------------------------------------------------------


def test_the_same_evaluation_is_not_answered_twice(evaluated, calls):
    first, _ = evaluated()
    second, said = evaluated()
    assert len(calls) == 1 and second.folder == first.folder
    assert {**second.results, "timing": None} == {**first.results, "timing": None}
    assert any("40 of 40 answers are there already" in line for line in said.lines)
    assert evaluated(resume=False)[0].folder != first.folder and len(calls) == 2


@pytest.mark.parametrize(
    "other",
    [{"limit": 39}, {"shots": 1}, {"temperature": 0.5}, {"max_new_tokens": 7}, {"eval_seed": 5}, {"stop": ("x",)},
     {"template": "{question}"}, {"calculator": True}],
    ids=str,
)  # fmt: skip
def test_other_settings_or_questions_are_answered_anew(evaluated, calls, other):
    first, second = evaluated()[0], evaluated(**other)[0]
    assert first.folder != second.folder and len(calls) == 2


def test_other_weights_are_answered_anew(evaluated, calls, model, monkeypatch):
    first, _ = evaluated()
    monkeypatch.setattr(subject, "weights_sha256", lambda folder: "other")
    assert evaluated()[0].folder != first.folder


def test_a_model_that_runs_otherwise_is_asked_anew(evaluated, calls, model, monkeypatch):
    """As with `--set model.adaptive_depth`: the same weights, another way through them."""
    monkeypatch.setattr(subject, "weights_sha256", lambda folder: "the same")
    first, _ = evaluated()
    monkeypatch.setattr(model.config, "adaptive_depth", 0.5, raising=False)
    assert evaluated()[0].folder != first.folder and len(calls) == 2


def test_an_interrupted_evaluation_goes_on(evaluated, calls, monkeypatch):
    """Ctrl-C after seven answers: what is there is kept, what is missing is answered, the results are the same."""
    whole = evaluated(resume=False)[0]
    right = backends.answers

    def seven(*arguments):
        for count, given in enumerate(right(*arguments)):
            if count == 7:
                raise KeyboardInterrupt
            yield given

    monkeypatch.setattr(backends, "answers", seven)
    with pytest.raises(KeyboardInterrupt):
        evaluated(eval_seed=1234, resume=False)
    monkeypatch.setattr(backends, "answers", right)
    graded, said = evaluated()
    assert any(f"7 of {ASKED} answers are there already" in line for line in said.lines)
    assert len(calls[-1]) == ASKED - 7
    assert graded.folder != whole.folder and graded.samples == whole.samples
    untimed = [{**one.results, "timing": None} for one in (graded, whole)]
    assert untimed[0] == untimed[1]


def test_answers_taken_over_are_graded_anew(evaluated, monkeypatch):
    """A grader that was mended since sees them again."""
    first, _ = evaluated()
    monkeypatch.setattr(LastWord, "equal", lambda self, predicted, expected: False)
    assert evaluated()[0].results["correct"] == 0 < first.results["correct"]


# --- questions -----------------------------------------------------------------------------------------------------


def test_an_endless_dataset_gives_200_unless_told_otherwise():
    def count(text, **options):
        source = make_source(Request(Spec.parse(text), Additions(), None), "test", None)
        return len(subject.load_questions(Task(source, source, LastWord()), EvalOptions(**options), Said()).items)

    assert count("additions") == 200
    assert count("additions@30") == 30
    assert count("additions", limit=20) == 20
    assert count("additions@30", limit=20) == 30, "what is said of one dataset goes before what is said of all"


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
