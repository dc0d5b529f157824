"""Votes: what is one answer, what wins, and how often the winner is right."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from math import comb

import pytest
from evaluations import ONE, sample

from reason_cli.engine.statistics import mean_interval, wilson
from reason_cli.engine.voting import ensemble, maj_at_k, sample_counts, sampling_summary, vote
from reason_cli.testing import LastWord


class Numbers(LastWord):
    """Equal by value, as a grader of numbers: 18 is 18.00 is $18."""

    asked = 0

    def equal(self, predicted, expected):
        self.asked += 1
        return Fraction(predicted.lstrip("$")) == Fraction(expected.lstrip("$"))


def answers(*values, id=0, **changes):
    """Samples of one question whose answer is 18."""
    right = [v is not None and Numbers().equal(v, "18") for v in values]
    return [
        replace(sample(id, ok, n), predicted=v, strict=ok, **changes)
        for n, (v, ok) in enumerate(zip(values, right, strict=True))
    ]


# --- one vote ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "winners"),
    [
        (["18", "17", "18.00"], [[0, 2]]),
        (["17", "17", "18", "18.0", "$18"], [[2, 3, 4]]),
        (["17", "18"], [[0], [1]]),
        ([None, None, None, "18"], [[3]]),
        ([None, None], []),
        ([], []),
    ],
)
def test_answers_are_one_by_value_and_no_answer_never_wins(said, winners):
    assert vote(said, Numbers().equal) == winners


def test_an_answer_joins_the_first_group_whose_first_answer_it_equals():
    """Within 1 is not transitive: 2 is 1, 3 is 2, and 3 is not 1."""
    near = lambda a, b: abs(int(a) - int(b)) <= 1  # noqa: E731
    assert vote(["1", "2", "3"], near) == [[0, 1]]
    assert vote(["2", "1", "3"], near) == [[0, 1, 2]]


def test_the_same_text_is_not_compared_twice():
    extractor = Numbers()
    vote(["18", "17"] * 500, extractor.equal)
    assert extractor.asked == 1


# --- maj@k -------------------------------------------------------------------------------------------------------


def chance(samples, k):
    """maj@k by its definition, slowly: every subset, ties by the share of winners that are right."""
    shares = []
    for chosen in combinations(samples, k):
        winners = vote([s.predicted for s in chosen], Numbers().equal)
        shares.append(Fraction(sum(chosen[g[0]].correct for g in winners), len(winners)) if winners else Fraction(0))
    return float(sum(shares) / len(shares))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["18", "18.0", "17"], 1.0),
        (["18", "17"], 0.5),
        (["18", "17", "16"], 1 / 3),
        (["18", "$18", "17", "17", "16"], 0.5),
        (["18", None, None, None], 1.0),
        ([None, None], 0.0),
        (["17", "17.0", "18"], 0.0),
    ],
)
def test_a_vote_of_all_counts_ties_by_their_share(said, expected):
    assert maj_at_k(answers(*said), len(said), Numbers()) == pytest.approx(expected)


@pytest.mark.parametrize("k", range(1, 9))
def test_maj_at_k_is_the_mean_over_all_subsets(k):
    said = answers("17", None, "18", "18.0", "16", "17", None, "$18")
    assert maj_at_k(said, k, Numbers()) == pytest.approx(chance(said, k))


def test_the_order_of_the_answers_does_not_matter():
    """The first k of them are nothing special."""
    said = ["18"] * 4 + ["17"] * 3 + ["16"]
    assert maj_at_k(answers(*said), 2, Numbers()) == maj_at_k(answers(*said[::-1]), 2, Numbers())


def test_many_subsets_are_drawn_with_a_seed():
    said = answers(*["18"] * 6 + ["17"] * 5 + [None] * 5)
    first = maj_at_k(said, 5, Numbers(), seed=1)
    assert first == maj_at_k(said, 5, Numbers(), seed=1) != maj_at_k(said, 5, Numbers(), seed=2)
    assert first == pytest.approx(chance(said, 5), abs=0.05)


def test_silence_is_drawn_too():
    said = answers(*["18"] * 4 + [None] * 12)
    assert maj_at_k(said, 4, Numbers()) == pytest.approx(1 - comb(12, 4) / comb(16, 4), abs=0.05)


@pytest.mark.parametrize("k", [0, 3])
def test_a_vote_of_more_than_there_are_is_refused(k):
    with pytest.raises(ValueError, match=f"maj@{k} of 2 answers"):
        maj_at_k(answers("18", "17"), k, Numbers())


# --- the summary -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "counts"), [(1, [1]), (2, [1, 2]), (8, [1, 2, 4, 8]), (6, [1, 2, 4, 6])])
def test_the_k_are_powers_of_two_and_the_most(most, counts):
    assert sample_counts(most) == counts


def test_the_summary_is_by_question():
    samples = [*answers("18", "18", "18", "17"), *answers("17", "17", "16", "18", id=1), *answers(*[None] * 4, id=2)]
    summary = sampling_summary(samples, Numbers())
    assert {k: v["value"] for k, v in summary["pass_at_k"].items()} == {
        "1": pytest.approx((3 / 4 + 1 / 4) / 3, abs=1e-6),
        "2": pytest.approx((1 + 1 / 2) / 3, abs=1e-6),
        "4": pytest.approx(2 / 3, abs=1e-6),
    }
    assert summary["maj_at_k"]["1"]["value"] == summary["pass_at_k"]["1"]["value"]
    assert summary["maj_at_k"]["4"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert summary["pass_at_k"]["1"]["interval95"] == pytest.approx(mean_interval([0.75, 0.25, 0]), abs=1e-6)
    assert summary["pass_at_k"]["4"]["interval95"] == pytest.approx(wilson(2, 3), abs=1e-6)


def test_the_summary_does_not_depend_on_the_order_of_the_lines():
    draw = random.Random(0)
    samples = [s for id in range(9) for s in answers(*draw.choices(["18", "17", "16", None], k=16), id=id)]
    by_number = sorted(samples, key=lambda s: s.sample)
    assert sampling_summary(by_number, Numbers()) == sampling_summary(samples, Numbers())


def test_every_question_has_draws_of_its_own():
    """The errors of drawing even out over questions: the same draws for all would have them agree."""
    samples = [s for id in range(30) for s in answers(*["18"] * 6 + ["17"] * 5 + [None] * 5, id=id)]
    found = sampling_summary(samples, Numbers())["maj_at_k"]["8"]
    low, high = found["interval95"]
    assert low < found["value"] < high
    assert found["value"] == pytest.approx(chance(samples[:16], 8), abs=0.01)


# --- ensembles ---------------------------------------------------------------------------------------------------


def test_an_ensemble_is_one_vote_across_models():
    models = [answers("17"), answers("18.00"), answers("18", tokens=5)]
    (voted,) = ensemble(models, Numbers())
    assert (voted.predicted, voted.correct, voted.strict, voted.strategy) == ("18.00", True, True, "vote")
    assert voted.output == "model 1: 17\nmodel 2: 18.00\nmodel 3: 18\nvote: 18.00 (2 of 3)"
    assert voted.output[slice(*voted.span)] == "18.00"
    assert voted.tokens == 3 + 3 + 5
    assert (voted.question, voted.expected, voted.id, voted.sample) == ("Question 0?", "18", 0, 0)


def test_a_tie_goes_to_the_model_that_comes_first():
    right, wrong = answers("18"), answers("17")
    assert ensemble([right, wrong], Numbers())[0].correct
    assert not ensemble([wrong, right], Numbers())[0].correct
    assert ensemble([wrong, right, answers("18.0"), answers("17.0")], Numbers())[0].predicted == "17"


def test_all_samples_of_all_models_vote():
    models = [[*answers("17", "17"), *answers("18", "18", id=1)], [*answers("18", "18", "18"), *answers("17", id=1)]]
    voted = ensemble(models, Numbers())
    assert [(s.id, s.predicted) for s in voted] == [(0, "18"), (1, "18")]
    assert voted[0].output.splitlines()[0] == "model 1: 17, 17"


def test_where_nobody_answers_there_is_no_answer():
    (voted,) = ensemble([answers(None, finished=False), answers(None, finished=False)], Numbers())
    assert (voted.predicted, voted.correct, voted.strict, voted.strategy, voted.span) == (
        None,
        False,
        False,
        None,
        None,
    )
    assert voted.output.endswith("vote: no answer (0 of 2)") and not voted.finished


def test_strict_and_finished_are_those_of_the_winners():
    weak = replace(ONE, strict=False, finished=False)
    wrong = answers("17")
    (voted,) = ensemble([[weak], [weak], wrong], Numbers())
    assert (voted.correct, voted.strict, voted.finished) == (True, False, False)
    (voted,) = ensemble([[weak], [ONE], wrong], Numbers())
    assert (voted.correct, voted.strict, voted.finished) == (True, True, True)


def test_models_that_were_asked_other_questions_cannot_vote():
    with pytest.raises(ValueError, match="different questions"):
        ensemble([answers("18"), answers("18", id=1)], Numbers())
