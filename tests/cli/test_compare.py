"""`reason compare`: its figures against statsmodels and scipy, what it says, what it refuses."""

from __future__ import annotations

import json
import random
import shutil

import pytest
from evaluations import SETTINGS, sample, samples_of, write_evaluation
from support import run, spawn


def flags(both, only_a, only_b, neither):
    """Flags of two evaluations that fall so, in a drawn order."""
    ways = [(1, 1)] * both + [(1, 0)] * only_a + [(0, 1)] * only_b + [(0, 0)] * neither
    random.Random(0).shuffle(ways)
    return zip(*ways, strict=True)


@pytest.fixture
def write(tmp_path):
    """Write evaluations of these flags, or samples, as folders a, b, ..."""

    def written(*evaluations, **results):
        return [
            write_evaluation(tmp_path / name, given if hasattr(given[0], "id") else samples_of(given), **results)
            for name, given in zip("abc", evaluations, strict=False)
        ]

    return written


@pytest.mark.parametrize("shape", [(306, 152, 209, 652), (3, 0, 5, 2), (0, 0, 7, 0), (0, 4, 4, 1), (5000, 40, 90, 9)])
def test_the_figures_are_those_of_statsmodels_and_scipy(write, shape):
    import numpy as np
    from scipy.stats import bootstrap
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.proportion import proportion_confint

    both, only_a, only_b, neither = shape
    n = sum(shape)
    found = run("compare", *write(*flags(*shape)), "--json").json()
    assert (found["n"], found["both"], found["neither"]) == (n, both, neither)
    assert (len(found["broken"]), len(found["corrected"])) == (only_a, only_b)
    for name, correct in (("a", both + only_a), ("b", both + only_b)):
        assert found[name]["accuracy"] == pytest.approx(correct / n, abs=1e-6)
        assert found[name]["interval95"] == pytest.approx(proportion_confint(correct, n, method="wilson"), abs=1e-6)
    assert found["mcnemar"]["p"] == pytest.approx(mcnemar([[both, only_a], [only_b, neither]], exact=True).pvalue)
    differences = np.repeat([0, -1, 1, 0], shape)
    if differences.any() and differences.std():
        kind = {"method": "percentile", "n_resamples": 10_000, "batch": 500}
        theirs = bootstrap((differences,), np.mean, rng=np.random.default_rng(1), **kind).confidence_interval
        width = theirs.high - theirs.low
        assert found["bootstrap95"] == pytest.approx([theirs.low, theirs.high], abs=0.04 * width)


def test_pass_at_k_is_that_of_scipy(write):
    from scipy.stats import hypergeom

    draw = random.Random(3)
    a, b = ([[draw.random() < p for _ in range(6)] for _ in range(30)] for p in (0.2, 0.4))
    found = run("compare", *write(a, b), "--json").json()
    assert list(found["pass_at_k"]) == ["1", "2", "4", "6"] and found["mcnemar"] is None
    for k, figures in found["pass_at_k"].items():
        for name, rows in (("a", a), ("b", b)):
            mean = sum(hypergeom.sf(0, 6, sum(row), int(k)) for row in rows) / 30
            assert figures[name] == pytest.approx(mean, abs=1e-6)


def test_the_table_and_the_verdict(write):
    result = spawn("compare", *write(*flags(306, 152, 209, 652)), "--show", "0", COLUMNS="80").ok()
    lines = [line.rstrip() for line in result.out.splitlines()]
    assert "accuracy  34.7% (32.2 to 37.3)  39.0% (36.4 to 41.7)  +4.3 (+1.5 to +7.1)" in lines
    assert "strict    34.7% (32.2 to 37.3)  39.0% (36.4 to 41.7)  +4.3 (+1.5 to +7.1)" in lines
    counts = "1,319 questions: right in both 306, in neither 652; b corrected 209, broke 152; relative +12.4%"
    assert counts in lines
    assert "accuracy: b is ahead of a by 4.3 points, unlikely to be chance (p = 0.0032)" in lines
    assert result.err == "" and "corrected:" not in result.out


def test_it_says_when_it_may_be_chance(write):
    out = run("compare", *write(*flags(20, 4, 6, 10))).ok().out
    assert "b is ahead of a by 5.0 points, may be chance (p = 0.75)" in out


def test_several_answers_are_said_to_have_no_test(write):
    result = run("compare", *write([[1, 0], [0, 0]], [[1, 1], [0, 0]])).ok()
    assert "note: no McNemar test" in result.err
    assert "pass@1    25.0%" in result.out and "pass@2    50.0%" in result.out and "p = " not in result.out


def test_corrected_and_broken_questions_stand_side_by_side(write):
    a = [sample(n, n < 2, output=f"reckoning\n\n[red]a says {n}\x1b[31m\n \n") for n in range(6)]
    b = [sample(n, n > 1, output=f"reckoning\nb says {n}") for n in range(6)]
    lines = [" ".join(line.split()) for line in run("compare", *write(a, b), "--show", "2").ok().out.splitlines()]
    start = lines.index("corrected: 2 of 4")
    assert lines[start + 2] == "2 Question 2? [red]a says 2 [31m b says 2 18"
    assert lines[start + 3].startswith("3 Question 3?") and lines[start + 4] == ""
    assert lines[start + 5] == "broken: 2 of 2"
    assert lines[start + 7] == "0 Question 0? [red]a says 0 [31m b says 0 18"


def test_of_several_answers_the_count_is_shown(write):
    out = run("compare", *write([[0, 0, 1]], [[1, 1, 0]])).ok().out
    assert "1 of 3 right: #### 17" in out and "2 of 3 right: #### 18" in out


def test_an_answer_of_nothing_is_shown_as_such(write):
    assert "(nothing)" in run("compare", *write([sample(0, False, output="")], [1])).ok().out


def test_settings_that_differ_are_warned_of(write, tmp_path):
    a, _ = write([1, 0], [1, 0])
    b = write_evaluation(tmp_path / "other", samples_of([1, 0]), settings=SETTINGS | {"temperature": 0.8})
    result = run("compare", a, b, "--json")
    assert result.json()["settings_differ"] == {"temperature": [0.0, 0.8]}
    assert result.err == "warning: temperature differs: 0.0 in a, 0.8 in b\n"


def test_a_result_with_itself_is_only_noted(write):
    (a,) = write([1, 0, 1])
    result = run("compare", a, a / "results.json").ok()
    assert "note: both are the same evaluation" in result.err
    assert "neither is ahead" in result.out


def test_runs_are_compared_by_their_one_evaluation(write, tmp_path):
    for name in "ab":
        write_evaluation(
            tmp_path / f"run-{name}" / "eval" / "sums-1", samples_of([1, name == "b"]), model=f"run-{name}"
        )
        (tmp_path / f"run-{name}" / "run.toml").write_text("")
    found = run("compare", tmp_path / "run-a", tmp_path / "run-b", "--json").json()
    assert (found["a"]["label"], found["b"]["label"]) == ("run-a", "run-b")
    write_evaluation(tmp_path / "run-a" / "eval" / "sums-2", samples_of([1, 1]))
    result = run("compare", tmp_path / "run-a", tmp_path / "run-b")
    assert result.code == 1 and "holds 2 evaluations, newest first: eval/sums-" in result.error_line


def test_the_output_folder_holds_what_was_compared(write, tmp_path):
    folder = tmp_path / "out" / "here"
    result = run("compare", *write([1, 0], [1, 1]), "--json", "--output", folder)
    assert json.loads((folder / "comparison.json").read_text()) == [result.json()]
    assert result.err == f"report: {folder / 'report.html'}\n"
    assert "Question 1?" in (folder / "report.html").read_text(encoding="utf-8") and list(folder.glob("*.png"))


def test_an_output_that_cannot_be_made(write, tmp_path):
    (tmp_path / "file").write_text("x")
    result = run("compare", *write([1], [1]), "--output", tmp_path / "file" / "below")
    assert result.code == 1 and "cannot write into" in result.error_line and result.out == ""


def test_the_report_of_an_evaluation_is_not_overwritten(write):
    a, b = write([1], [0])
    before = sorted(b.iterdir())
    result = run("compare", a, b, "--output", b)
    assert result.code == 2 and f"{b} is an evaluation with a report of its own" in result.error_line
    assert sorted(b.iterdir()) == before


def test_other_questions_are_refused(write):
    result = run("compare", *write([1, 0, 1], [1, 0]))
    assert result.code == 1 and result.out == ""
    assert "a (a) and b (b) answered different questions: 3 and 2, of which they share 2" in result.error_line
    assert "the first that differs is id 2 of a, 'Question 2?' (expected 18)" in result.error_line


def damage(folder, how):
    results, samples = folder / "results.json", folder / "samples.jsonl"
    lines = samples.read_text().splitlines(keepends=True)
    if how == "gone":
        shutil.rmtree(folder)
    elif how == "empty":
        results.unlink()
        samples.unlink()
    elif how == "unfinished":
        results.unlink()
    elif how == "short":
        samples.write_text("".join(lines[:-1]))
    elif how == "torn":
        samples.write_text("".join(lines)[:-9])
    elif how == "broken":
        results.write_text('{\n"n": 3,\n')


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("gone", 2, "no evaluation '{b}'"),
        ("empty", 1, "{b} holds no evaluation: there is no results.json"),
        ("unfinished", 1, "the evaluation in {b} is not finished"),
        ("short", 1, "{b}/samples.jsonl holds 2 answers, results.json counts 3"),
        ("torn", 1, "{b}/samples.jsonl:3 cannot be read: not JSON"),
        ("broken", 1, "{b}/results.json:3 is not JSON"),
    ],
)
def test_what_cannot_be_read_is_one_line(write, how, code, said):
    a, b = write([1, 0, 1], [1, 0, 1])
    damage(b, how)
    for pair in ((a, b), (b, a)):
        result = run("compare", *pair)
        assert result.code == code and said.format(b=b) in result.error_line


def test_what_reason_eval_writes_is_compared(trained, tiny, tmp_path):
    asked = ("eval", "additions@6", "--checkpoint", trained[0], "--max-new-tokens", "8", "--device", "cpu")
    run(*asked, "--output", tmp_path / "greedy").ok()
    run(*asked, "--output", tmp_path / "sampled", "--samples", "2", "--temperature", "1").ok()
    found = run("compare", tmp_path / "greedy", tmp_path / "sampled", "--json").json()
    assert (found["n"], found["a"]["n"], found["b"]["answers"]) == (6, 6, 12)
    assert set(found["settings_differ"]) == {"samples", "temperature"}
