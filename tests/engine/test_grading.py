"""Grading: what counts as right, as strictly right, and how shares are counted."""

from __future__ import annotations

import pytest

from reason_cli.api import Example
from reason_cli.engine.grading import Said, by_question, grade, share, shares_by, summarise
from reason_cli.engine.statistics import mean_interval, wilson
from reason_cli.testing import LastWord


class Marked(LastWord):
    """Knows a marker, as `number` does."""

    marked = frozenset({"marker"})

    def extract(self, text):
        found = super().extract(text)
        return found and type(found)(found.value, "marker" if "#" in text else "last-word", found.span)


def sample(expected, text, finished=True, id=0, k=0, extractor=None, **tags):
    example = Example("q", "", expected, tags)
    return grade(Said(id, k, text, 5, finished), example, extractor or LastWord())


def test_an_answer_is_graded_by_its_extractor():
    right, wrong, none = sample("4", "it is 4."), sample("4", "it is 5."), sample("4", " ")
    assert (right.correct, right.predicted, right.strategy, right.span) == (True, "4", "last-word", (6, 7))
    assert (wrong.correct, wrong.predicted) == (False, "5")
    assert (none.correct, none.predicted, none.strategy, none.span) == (False, None, None, None)


def test_strict_counts_only_what_a_marker_found():
    verdicts = [sample("4", text, extractor=Marked()) for text in ("# 4", "it is 4", "# 5", "")]
    assert [s.correct for s in verdicts] == [True, True, False, False]
    assert [s.strict for s in verdicts] == [True, False, False, False]
    assert sample("4", "it is 4").strict, "an extractor that knows no markers is as strict as it is"


def test_a_verifier_may_judge_by_more_than_the_answer():
    class Even(LastWord):
        def correct(self, predicted, example):
            return int(predicted) % example.reference["of"] == 0

    example = Example("an even number?", "", "2", reference={"of": 2})
    graded = [grade(Said(0, 0, text, 1, True), example, Even()).correct for text in ("it is 8.", "it is 7.")]
    assert graded == [True, False]


def test_the_summary_counts_and_breaks_down_by_tag():
    samples = [
        sample("1", "1", id=0, steps=1),
        sample("1", "2", id=1, steps=1),
        sample("1", "1", id=2, steps=10, kind="long"),
        sample("1", "", finished=False, id=3, steps=2),
    ]
    facts = summarise(samples)
    assert (facts["n"], facts["correct"], facts["accuracy"]) == (4, 2, 0.5) and "answers" not in facts
    assert facts["strict"]["accuracy"] == 0.5
    assert facts["no_answer_rate"] == facts["cut_off_rate"] == 0.25
    assert facts["mean_tokens"] == 5
    assert facts["strategies"] == {"last-word": 3, "none": 1}
    assert list(facts["by"]["steps"]) == ["1", "2", "10"], "numbers in their own order"
    assert facts["by"]["steps"]["1"]["accuracy"] == 0.5
    assert facts["by"]["kind"]["long"]["n"] == 1
    assert facts["interval95"] == [round(x, 6) for x in wilson(2, 4)]


def test_several_answers_to_a_question_are_no_more_questions():
    samples = [
        sample("1", text, id=n, k=k) for n, texts in enumerate(["11", "12", "22"]) for k, text in enumerate(texts)
    ]
    facts = summarise(samples)
    assert (facts["n"], facts["answers"], facts["correct"], facts["accuracy"]) == (3, 6, 3, 0.5)
    assert facts["interval95"] == [round(x, 6) for x in mean_interval([1.0, 0.5, 0.0])]
    assert [[s.sample for s in group] for group in by_question(reversed(samples)).values()] == [[1, 0]] * 3


def test_shares_are_in_the_order_of_numbers_and_then_of_words():
    labelled = [(label, sample("1", "1", id=n)) for n, label in enumerate(["b", 10, 2, "a"])]
    assert list(shares_by(labelled)) == ["2", "10", "a", "b"]


@pytest.mark.parametrize("verdicts", [[], [[True]], [[True, False]]])
def test_a_share_of_almost_nothing(verdicts):
    facts = share(verdicts)
    low, high = facts["interval95"]
    assert 0 <= low <= facts["accuracy"] <= high <= 1
