"""`reason grade`: files of any tool, evaluations again, what is printed and written, what is refused."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from evaluations import sample, samples_of, write_evaluation
from support import read_lines, run, write_rows

from reason_cli.engine.graded import Graded, read_graded
from reason_cli.engine.harness import write_harness

ROWS = [
    {"text": "So 30 + 42 = 72.\n#### 72", "gold": "72"},
    {"text": "She has 71 left", "gold": 71},
    {"text": "**Final Answer:** 5", "gold": "She has 2 + 4 = 6 in all.\n#### 6"},
    {"text": "I do not know", "gold": "1,200"},
]


@pytest.fixture
def rows(tmp_path):
    return write_rows(tmp_path / "theirs.jsonl", ROWS)


@pytest.fixture
def undrawn(monkeypatch):
    """Folders without their report, whose plots take a second or two."""
    monkeypatch.setattr("reason_cli.engine.page.write_page", lambda folder, graded, comparisons: folder)


def figures(results):
    return results["n"], results["correct"], results["strict"]["correct"], results["no_answer_rate"]


# --- rows of other tools -----------------------------------------------------------------------------------------


def test_what_is_printed(rows):
    result = run("grade", rows).ok()
    assert "theirs.jsonl: 4 answers" in result.out
    lenient, strict = (
        [w for w in line.split() if w] for line in result.out.splitlines() if "strict " in line or "lenient " in line
    )
    assert lenient[1] == "50.0%" and lenient[-1] == "2" and "to" in lenient
    assert strict[1] == "25.0%" and strict[-1] == "1"
    assert "no answer 25.0%; found by" in result.out and "hash 1" in result.out and "none 1" in result.out
    assert result.err == ""


def test_json_is_what_a_folder_holds(rows, tmp_path, undrawn):
    results = run("grade", rows, "--json").json()
    assert figures(results) == (4, 2, 1, 0.25)
    assert results["dataset"] == "theirs.jsonl" and results["checkpoint"] == "" and results["model"] == "theirs"
    assert results["settings"] == {"extractor": "number", "text_column": "text", "gold_column": "gold"}
    assert results["data"] == {"rows": 4} and "regraded" not in results
    run("grade", rows, "--output", tmp_path / "out").ok()
    written = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    errors = written.pop("errors")
    assert written == results
    assert errors["slips"]["no_answer"] == 1 and errors["by"]["magnitude"]["<10"]["n"] == 1


@pytest.mark.parametrize("ending", ["json", "csv", "jsonl.gz"])
def test_other_kinds_of_file(ending, tmp_path):
    path = tmp_path / f"rows.{ending}"
    if ending == "json":
        path.write_text(json.dumps(ROWS))
    elif ending == "csv":
        path.write_text('answer given,right\n"#### 72",72\n"5",6\n')
    else:
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))
    columns = ("--text-column", "answer given", "--gold-column", "right") if ending == "csv" else ()
    assert run("grade", path, *columns, "--json").json()["correct"] == (1 if ending == "csv" else 2)


def test_nested_columns(tmp_path, undrawn):
    rows = [
        {"doc": {"answer": "4 / 2 = 2\n#### 2", "question": "How?"}, "resps": [["#### 2", "#### 3"]]},
        {"doc": {"answer": "#### 5"}, "resps": [["#### 5"]], "doc.answer": "#### 4"},  # a plain name counts first
    ]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    columns = ("--text-column", "resps.0.0", "--gold-column", "doc.answer")
    assert run("grade", path, *columns, "--json").json()["correct"] == 1
    run("grade", path, *columns, "--output", tmp_path / "out").ok()
    first, second = read_graded(tmp_path / "out").samples
    assert (first.question, first.expected, first.reasoning) == ("How?", "2", "4 / 2 = 2\n#### 2")
    assert (second.id, second.question, second.tokens, second.finished) == (1, "", 0, True)


def test_files_of_lm_evaluation_harness_count_each_answer_once(tmp_path):
    answers = samples_of([True, False, True])
    graded = Graded({"dataset": "sums", "checkpoint": "", "settings": {}, "n": 3, "correct": 2}, answers, tmp_path)
    write_harness(tmp_path, graded)
    (path,) = tmp_path.glob("lm-eval/samples_*.jsonl")
    assert len(read_lines(path)) > 3
    result = run("grade", path, "--text-column", "resps.0.0", "--gold-column", "target")
    assert "3 answers\n" in result.ok().out and "66.7%" in result.out
    results = run("grade", path, "--text-column", "resps.0.0", "--gold-column", "target", "--json").json()
    assert (results["n"], results["correct"]) == (3, 2) and "answers" not in results
    assert "graded once each: the rows of lm-evaluation-harness's filter 'strict-match'; " in result.err


def test_an_extractor_by_name(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", [{"text": r"\boxed{\frac{1}{2}}", "gold": r"\frac{1}{2}"}])
    assert run("grade", path, "--extractor", "math", "--json").json()["correct"] == 1
    result = run("grade", path, "--extractor", "mahts")
    assert result.code == 2 and "unknown extractor 'mahts'; did you mean 'math'?" in result.error_line


def test_a_verifier_without_its_dataset_says_what_it_lacks(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", [{"text": "**Final Answer:** red", "gold": "red"}])
    result = run("grade", path, "--extractor", "reasoning-gym").ok()
    assert "warning: 'reasoning-gym' may accept more than the gold answer" in result.err and "100.0%" in result.out


def test_bad_rows_are_named_and_lose_nothing(tmp_path):
    bad = [
        "no json",
        {"text": ["a"], "gold": "1"},
        {"text": "1"},
        {"text": "1", "gold": ""},
        {"text": "1", "gold": "?"},
    ]
    path = write_rows(tmp_path / "rows.jsonl", [ROWS[0], *bad, {"text": None, "gold": 3}, {"text": True, "gold": 3}])
    result = run("grade", path, "--json")
    assert figures(result.json()) == (2, 1, 1, 0.5) and result.json()["bad_rows"] == 6
    lines = result.err.splitlines()
    assert lines[0].startswith(f"warning: left out: {path}:2: not JSON")
    assert lines[1:] == [
        f"warning: left out: {path}:3: 'text' is list, not text",
        f"warning: left out: {path}:4: there is no 'gold'",
        "warning: 6 of 8 rows are left out; these were the first 3",
    ]


def test_gold_answers_that_are_none(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", [{"text": "1", "gold": "red"}])
    result = run("grade", path)
    assert result.code == 1 and "no row of" in result.err and "the gold answer 'red' holds none" in result.err
    path = write_rows(tmp_path / "empty.jsonl", [{"text": "1", "gold": None}, {"text": "1", "gold": " "}])
    assert run("grade", path).err.count("'gold' is empty") == 4


# --- what is written ---------------------------------------------------------------------------------------------


def test_graded_rows_are_the_rows_with_more(rows, tmp_path):
    output = tmp_path / "new" / "graded.jsonl"
    assert f"results: {output}" in run("grade", rows, "--output", output).ok().out
    graded = read_lines(output)
    assert [{"text": row["text"], "gold": row["gold"]} for row in graded] == ROWS
    assert [(row["value"], row["correct"], row["strict"]) for row in graded] == [
        ("72", True, True), ("71", True, False), ("5", False, False), (None, False, False)
    ]  # fmt: skip
    first, *_, last = graded
    assert first["strategy"] == "hash" and first["text"][slice(*first["span"])] == "72"
    assert last["span"] is None and last["strategy"] is None
    assert sorted(path.name for path in output.parent.iterdir()) == ["graded.jsonl"]


def test_an_evaluation_folder_can_be_compared(rows, tmp_path, monkeypatch):
    run("grade", rows, "--output", tmp_path / "a").ok()
    assert (tmp_path / "a" / "report.html").is_file() and list((tmp_path / "a" / "lm-eval").iterdir())
    monkeypatch.setattr("reason_cli.engine.page.write_page", lambda folder, graded, comparisons: folder)
    better = write_rows(
        tmp_path / "better.jsonl",
        [{**row, "text": "#### 6"} if row["gold"] == ROWS[2]["gold"] else row for row in ROWS],
    )
    run("grade", better, "--output", tmp_path / "b").ok()
    compared = run("compare", tmp_path / "a", tmp_path / "b", "--json").json()
    assert compared["corrected"] == [2] and compared["broken"] == []


def test_places_that_are_refused(rows, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    for output, said, code in [
        (tmp_path / "full", "is not empty; choose another --output", 2),
        (rows, "is what is graded; choose another --output", 2),
        (tmp_path / "out.csv", "graded rows are JSON lines, not .csv", 2),
        (tmp_path / "full" / "x" / "out", "cannot make", 1),
        (tmp_path / "full" / "x" / "out.jsonl", "cannot make", 1),
    ]:
        result = run("grade", rows, "--output", output)
        assert result.code == code and said in result.error_line
    assert read_lines(rows) == ROWS


def test_a_file_that_breaks_off_leaves_no_output(tmp_path):
    whole = gzip.compress("".join(json.dumps({**ROWS[0], "n": n * n}) + "\n" for n in range(40_000)).encode())
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    result = run("grade", path, "--output", tmp_path / "out.jsonl")
    assert result.code == 1 and "truncated" in result.error_line
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("out")] == []


# --- evaluations again -------------------------------------------------------------------------------------------


@pytest.fixture
def evaluation(tmp_path):
    """Four answers: right, wrong, graded wrong though it is right, graded right though it is wrong."""
    right, wrong = (
        sample(0, True, tags={"digits": 2}, tokens=9, reasoning="9 * 2 = 18"),
        sample(1, False, finished=False),
    )
    missed = sample(2, False, output="#### 18", predicted=None, strategy=None, span=None)
    waved = sample(3, True, output="#### 17")
    return write_evaluation(tmp_path / "old", [right, wrong, missed, waved], contamination=0, timing={"seconds": 1})


@pytest.mark.parametrize("name", ["", "results.json", "samples.jsonl"])
def test_an_evaluation_is_graded_again_by_its_own_extractor(evaluation, name):
    result = run("grade", evaluation / name).ok()
    assert (
        "sums:test: 4 answers" in result.out
        and "against the grading before: 1 newly right, 1 newly wrong" in result.out
    )
    results = run("grade", evaluation / name, "--json").json()
    assert results["regraded"] == {"rows": 4, "newly_right": 1, "newly_wrong": 1}
    assert (results["checkpoint"], results["model"], results["contamination"]) == ("runs/x/final", "old", 0)
    assert results["settings"]["prompts_sha256"] == "1" * 64 and "timing" not in results
    assert results["by"]["digits"]["2"]["n"] == 1 and results["cut_off_rate"] == 0.25


def test_samples_are_kept_but_for_their_grades(evaluation, tmp_path, undrawn):
    run("grade", evaluation, "--output", tmp_path / "new").ok()
    old, new = read_graded(evaluation).samples, read_graded(tmp_path / "new").samples
    for name in ("id", "sample", "question", "expected", "tokens", "finished", "output", "reasoning", "tags"):
        assert [getattr(s, name) for s in new] == [getattr(s, name) for s in old]
    assert [s.correct for s in new] == [True, False, True, False]


def test_another_extractor_for_an_evaluation(evaluation):
    results = run("grade", evaluation, "--extractor", "phrase", "--json").json()
    assert results["settings"]["extractor"] == "phrase" and results["correct"] == 2


def test_the_verdict_of_a_verifier_stands(tmp_path):
    """What a verifier accepted without the gold answer is not wrong now that its data are not at hand."""
    accepted = sample(0, True, output="**Final Answer:** 2 + 2", predicted="2 + 2", expected="1 + 3")
    write_evaluation(tmp_path / "old", [accepted], settings={"extractor": "reasoning-gym"})
    assert run("grade", tmp_path / "old", "--json").json()["correct"] == 1
    assert run("grade", tmp_path / "old", "--extractor", "phrase", "--json").json()["correct"] == 0


def test_several_answers_to_a_question(tmp_path):
    folder = write_evaluation(tmp_path / "old", samples_of([[True, False], [True, True]]))
    result = run("grade", folder).ok()
    assert "4 answers to 2 questions" in result.out
    results = run("grade", folder, "--json").json()
    assert (results["n"], results["answers"], results["correct"]) == (2, 4, 3)
    assert results["pass_at_k"]["2"]["value"] == 1.0


def test_what_is_no_file_of_rows(tmp_path):
    rows = write_rows(tmp_path / "rows.jsonl", [{"txt": "1", "gold": "1", "doc": {"a": [1]}}])
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "results.json").write_text("{")
    for path, said, code in [
        (rows, "has no column 'text'; did you mean 'txt'? name one with --text-column: txt, gold, doc.a.0", 2),
        (tmp_path / "none.jsonl", "no file", 2),
        (tmp_path / "empty.jsonl", "holds no row that can be read", 1),
        (tmp_path / "broken", "results.json cannot be read", 1),
    ]:
        result = run("grade", path)
        assert result.code == code and said in result.error_line, result.err


GSM8K = Path(os.environ.get("REASON_DATA", "")) / "gsm8k" / "test.jsonl"


@pytest.mark.skipif(not GSM8K.is_file(), reason="REASON_DATA has no gsm8k")
def test_the_solutions_of_gsm8k_are_all_right():
    results = run("grade", GSM8K, "--text-column", "answer", "--gold-column", "answer", "--json").json()
    assert results["correct"] == results["strict"]["correct"] == results["n"] == 1319
