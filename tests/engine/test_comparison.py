"""Two evaluations in pairs: figures against statsmodels and scipy, matching, and what is refused."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from evaluations import SETTINGS, sample, samples_of

from reason_cli.engine.comparison import compare, pair, verdict
from reason_cli.engine.graded import Graded
from reason_cli.errors import ReasonError


def graded(samples, name="a", **settings):
    said = {"dataset": "sums:test", "checkpoint": "c", "model": name, "settings": SETTINGS | settings}
    return Graded(said, samples, Path("/evaluations") / name)


def flags(both, only_a, only_b, neither, seed=0):
    """Flags of a and of b that fall so, in a drawn order."""
    ways = [(1, 1)] * both + [(1, 0)] * only_a + [(0, 1)] * only_b + [(0, 0)] * neither
    random.Random(seed).shuffle(ways)
    return [a for a, _ in ways], [b for _, b in ways]


def compared(a, b, **settings):
    return compare(graded(samples_of(a)), graded(samples_of(b), "b", **settings))


def test_a_published_pair():
    """GPT-3 175B fine-tuned against 6B with a verifier, on GSM8K's 1,319 questions."""
    found = compared(*flags(306, 152, 209, 652))
    assert (found.n, found.both, found.neither) == (1319, 306, 652)
    assert found.a["accuracy"] == 0.347233 and found.b["accuracy"] == 0.390447
    assert found.a["interval95"] == pytest.approx([0.322, 0.373], abs=5e-4)
    assert found.b["interval95"] == pytest.approx([0.364, 0.417], abs=5e-4)
    assert found.difference == 0.043215
    assert found.bootstrap95 == pytest.approx((0.0432 - 1.96 * 0.0144, 0.0432 + 1.96 * 0.0144), abs=0.001)
    assert found.relative == pytest.approx(515 / 458 - 1, abs=1e-6)
    assert found.mcnemar == {"only_a": 152, "only_b": 209, "p": pytest.approx(0.0032, abs=5e-5)}
    assert verdict(found.as_json()) == "b is ahead of a by 4.3 points, unlikely to be chance (p = 0.0032)"


@pytest.mark.parametrize(
    "shape", [(0, 0, 0, 5), (5, 0, 0, 0), (0, 4, 0, 0), (0, 0, 9, 1), (3, 2, 2, 3), (40, 12, 30, 18)]
)
def test_every_figure_is_that_of_statsmodels(shape):
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.proportion import proportion_confint

    both, only_a, only_b, neither = shape
    found, n = compared(*flags(*shape)), sum(shape)
    assert (found.both, len(found.broken), len(found.corrected), found.neither) == shape
    for side, correct in ((found.a, both + only_a), (found.b, both + only_b)):
        assert side["correct"] == correct
        assert side["interval95"] == pytest.approx(proportion_confint(correct, n, method="wilson"), abs=1e-6)
    if only_a + only_b:
        table = [[both, only_a], [only_b, neither]]
        assert found.mcnemar["p"] == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert found.difference == pytest.approx((only_b - only_a) / n, abs=1e-6)
    assert found.bootstrap95[0] <= found.difference <= found.bootstrap95[1]
    assert (found.relative is None) == (both + only_a == 0)


def test_the_other_way_round_is_the_mirror():
    a, b = flags(10, 5, 9, 6)
    one, other = compared(a, b), compared(b, a)
    assert other.difference == -one.difference
    assert (other.corrected, other.broken) == (one.broken, one.corrected)
    assert other.mcnemar["p"] == one.mcnemar["p"]


def test_strict_is_compared_beside():
    """b is right as often, and never by a marker."""
    loose = [sample(s.id, s.correct, strict=False) for s in samples_of([1, 1, 1, 0])]
    found = compare(graded(samples_of([1, 1, 1, 0])), graded(loose, "b"))
    assert found.difference == 0 and found.mcnemar["p"] == 1
    assert found.strict["difference"] == -0.75 and found.strict["b"]["accuracy"] == 0
    assert found.strict["mcnemar"] == {"only_a": 3, "only_b": 0, "p": 0.25}
    assert found.strict["broken"] == [0, 1, 2]


def test_the_seed_is_the_bootstraps():
    a, b = (graded(samples_of(f), name) for f, name in zip(flags(300, 120, 170, 411), "ab", strict=True))
    assert compare(a, b) == compare(a, b, seed=0)
    assert len({compare(a, b, seed).bootstrap95 for seed in range(4)}) > 1


# --- the same questions ------------------------------------------------------------------------------------------


def test_questions_in_another_order_are_matched():
    a, b = samples_of([1, 0, 0, 1, 1]), samples_of([1, 1, 0, 1, 0])
    ids = [3, 0, 4, 1, 2]
    moved = [sample(ids.index(s.id), s.correct, question=s.question) for s in sorted(b, key=lambda s: ids.index(s.id))]
    found, straight = compare(graded(a), graded(moved, "b")), compare(graded(a), graded(b, "b"))
    assert (found.corrected, found.broken) == (straight.corrected, straight.broken) == ([1], [4])
    assert found.bootstrap95 == straight.bootstrap95


def test_a_question_that_comes_twice_is_matched_by_order():
    a = [sample(0, True, question="q"), sample(1, False, question="q"), sample(2, False, question="r")]
    b = [sample(0, False, question="r"), sample(1, True, question="q"), sample(2, True, question="q")]
    pairs = pair(graded(a), graded(b, "b"))
    assert [(of_a[0].id, of_b[0].id) for of_a, of_b in pairs] == [(0, 1), (1, 2), (2, 0)]
    assert compare(graded(a), graded(b, "b")).corrected == [1]


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (["x", "y", "z"], ["x", "w", "z"], "3 and 3, of which they share 2; the first that differs is id 1 of a, 'y'"),
        (["x", "y"], ["x", "z", "y", "w"], "2 and 4, of which they share 2; the first that differs is id 1 of b, 'z'"),
        (["x", "x"], ["x"], "2 and 1, of which they share 1; the first that differs is id 1 of a, 'x'"),
        (["x"], ["y"], "1 and 1, of which they share 0; the first that differs is id 0 of a, 'x' (expected 18)"),
        ([f"long {'q ' * 99}"], ["x"], "'long q q q q q q q q q q q q q q q q q q q q q q q q q q q …'"),
    ],
)
def test_other_questions_are_refused(a, b, said):
    sides = [[sample(n, True, question=q) for n, q in enumerate(asked)] for asked in (a, b)]
    with pytest.raises(ReasonError) as error:
        compare(graded(sides[0]), graded(sides[1], "b"))
    assert said in str(error.value) and error.value.hint and not error.value.usage


def test_the_same_question_with_another_answer_is_another_question():
    other = [sample(0, True, expected="19")]
    with pytest.raises(ReasonError, match="they share 0"):
        compare(graded(samples_of([1])), graded(other, "b"))


# --- several answers ---------------------------------------------------------------------------------------------


def test_several_answers_are_compared_by_question():
    from scipy.stats import hypergeom

    a = [[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 1]]
    b = [[1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 1], [1, 1, 0, 0], [1, 1, 1, 0]]
    found = compared(a, b)
    assert (found.n, found.a["answers"], found.difference) == (5, 20, 0.1)
    assert found.mcnemar is None and found.strict["mcnemar"] is None
    assert any("no McNemar test" in note for note in found.notes)
    assert (found.corrected, found.broken, found.both, found.neither) == ([0, 1], [2], 1, 1), "more than half is right"
    assert list(found.pass_at_k) == ["1", "2", "4"]
    for k, figures in found.pass_at_k.items():
        for side, rows in (("a", a), ("b", b)):
            passes = [hypergeom.sf(0, 4, sum(row), int(k)) for row in rows]
            assert figures[side] == pytest.approx(sum(passes) / 5, abs=1e-6)
        assert figures["difference"] == pytest.approx(figures["b"] - figures["a"], abs=1e-6)
    assert verdict(found.as_json()).endswith("may be chance (the interval holds 0)")


def test_one_answer_may_be_compared_with_several():
    found = compared([1, 0, 0], [[1, 1, 1], [1, 1, 0], [0, 0, 1]])
    assert found.difference == pytest.approx((1 + 2 / 3 + 1 / 3) / 3 - 1 / 3, abs=1e-6)
    assert found.mcnemar is None and found.pass_at_k == {}


def test_answers_to_one_question_do_not_count_as_independent():
    """Sixteen times the same answer is no more evidence than one."""
    a, b = flags(20, 8, 16, 6)
    single = compared(a, b)
    many = compared([[f] * 16 for f in a], [[f] * 16 for f in b])
    assert many.bootstrap95 == single.bootstrap95


# --- what is said ------------------------------------------------------------------------------------------------


def test_settings_that_differ_are_named_but_not_the_models_own():
    a = graded(samples_of([1]), style="think")
    b = graded(samples_of([1]), "b", temperature=0.8, weights_sha256="3" * 64, shots=5)
    assert compare(a, b).settings_differ == {"temperature": (0.0, 0.8)}, "what only one says is no difference"


def test_a_result_beside_itself_is_noted():
    one = graded(samples_of([1, 0]))
    assert compare(one, one).notes == ["both are the same evaluation"]
    assert compared([1, 0], [1, 0]).notes == []


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((9, 0, 1, 0), "b is ahead of a by 10.0 points, may be chance (p = 1)"),
        ((9, 1, 7, 3), "b is ahead of a by 30.0 points, may be chance (p = 0.07)"),
        ((9, 0, 6, 5), "b is ahead of a by 30.0 points, unlikely to be chance (p = 0.031)"),
        ((9, 4, 13, 3), "b is ahead of a by 31.0 points, unlikely to be chance (p = 0.049)"),
        ((9, 9, 0, 2), "a is ahead of b by 45.0 points, unlikely to be chance (p = 0.0039)"),
        ((5, 40, 0, 5), "a is ahead of b by 80.0 points, unlikely to be chance (p < 0.0001)"),
        ((5, 3, 3, 5), "neither is ahead: a and b are right equally often"),
    ],
)
def test_the_verdict_is_a_plain_line(shape, said):
    assert verdict(compared(*flags(*shape)).as_json()) == said


def test_the_verdict_of_several_answers_goes_by_the_interval():
    found = compared([[0, 0]] * 20 + [[1, 0]] * 20, [[1, 1]] * 20 + [[1, 0]] * 20)
    assert (
        verdict(found.as_json()) == "b is ahead of a by 50.0 points, unlikely to be chance (the interval leaves out 0)"
    )


def test_it_is_json():
    found = compared([[1, 0], [0, 0]], [[1, 1], [0, 1]], temperature=1.0).as_json()
    assert json.loads(json.dumps(found))["bootstrap95"] == list(found["bootstrap95"])
