"""Majority votes (Wang et al., arXiv 2203.11171) over answers to one question: of one model's samples, of models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from math import comb
from typing import Any

from reason_cli.api import AnswerExtractor
from reason_cli.engine.grading import Sample, by_question
from reason_cli.engine.statistics import mean_interval, pass_at_k

Equal = Callable[[str, str], bool]
SUBSETS = 1000  # of the answers to a question: all of them when there are no more, else so many drawn ones
NO_ANSWER = "no answer"


def group(answers: Sequence[str | None], equal: Equal) -> list[list[int]]:
    """The places of equal answers together, first seen first; "no answer" is in none.

    An answer joins the first group whose first answer it equals, so that the outcome is defined where `equal` is
    not transitive. `equal` is asked only of different texts.
    """
    groups: list[list[int]] = []
    known: dict[str, list[int]] = {}
    for place, answer in enumerate(answers):
        if answer is None:
            continue
        if answer not in known:
            same = next((g for g in groups if equal(answer, str(answers[g[0]]))), None)
            if same is None:
                groups.append(same := [])
            known[answer] = same
        known[answer].append(place)
    return groups


def vote(answers: Sequence[str | None], equal: Equal) -> list[list[int]]:
    """The groups with the most votes, first seen first: several are a tie, none means that nobody answered."""
    groups = group(answers, equal)
    most = max(map(len, groups), default=0)
    return [g for g in groups if len(g) == most]


def maj_at_k(samples: Sequence[Sample], k: int, extractor: AnswerExtractor, seed: int = 0) -> float:
    """The chance that the vote of k of a question's answers is right: the mean over subsets, not the first k.

    Over all subsets of size k when there are at most `SUBSETS`, else over that many drawn with `seed`. A tie counts
    by the share of its winners that are right; "no answer" never wins, and is wrong when there is nothing else.
    Raises `ValueError` unless 1 <= k <= the number of samples.
    """
    if not 1 <= k <= len(samples):
        raise ValueError(f"maj@{k} of {len(samples)} answers")
    return _maj_at_k(samples, group([s.predicted for s in samples], extractor.equal), k, seed)


def _maj_at_k(samples: Sequence[Sample], groups: Sequence[Sequence[int]], k: int, seed: int) -> float:
    import numpy as np

    right = np.array([samples[g[0]].correct for g in groups], dtype=bool)
    if not right.any():
        return 0.0
    votes = _votes([len(g) for g in groups], len(samples), k, seed)
    most = votes.max(axis=1, keepdims=True)
    winners = (votes == most) & (most > 0)
    return float(((winners & right).sum(axis=1) / winners.sum(axis=1).clip(min=1)).mean())


def _votes(sizes: Sequence[int], n: int, k: int, seed: int) -> Any:
    """Votes for each group in each subset of k of n answers: subsets x groups."""
    import numpy as np

    silent = n - sum(sizes)
    if comb(n, k) > SUBSETS:
        drawn = np.random.default_rng(seed).multivariate_hypergeometric([*sizes, silent], k, size=SUBSETS)
        return drawn[:, :-1]
    owner = np.repeat(np.arange(len(sizes) + 1), [*sizes, silent])
    chosen = owner[np.array(list(combinations(range(n), k)))]
    row = np.arange(len(chosen))[:, None] * (len(sizes) + 1)
    return np.bincount((row + chosen).ravel(), minlength=row[-1, 0] + len(sizes) + 1).reshape(len(chosen), -1)[:, :-1]


def sample_counts(most: int) -> list[int]:
    """The k of pass@k and maj@k: 1, 2, 4, ... up to `most`, which is 1 or more, and `most` itself."""
    return sorted({*(2**i for i in range(most.bit_length())), most})


def sampling_summary(samples: Sequence[Sample], extractor: AnswerExtractor) -> dict[str, Any]:
    """pass@k and maj@k of several answers to each question, by k as text: the mean over questions, with its interval.

    k goes up to the fewest answers that a question has. The unit of the 95% interval is the question.
    """
    questions = list(by_question(samples).values())
    grouped = [(answers, group([s.predicted for s in answers], extractor.equal)) for answers in questions]
    counts = sample_counts(min(map(len, questions)))
    passing = {k: [pass_at_k(len(q), sum(s.correct for s in q), k) for q in questions] for k in counts}
    voting = {k: [_maj_at_k(q, g, k, seed=n) for n, (q, g) in enumerate(grouped)] for k in counts}
    return {
        "pass_at_k": {str(k): _summary(values) for k, values in passing.items()},
        "maj_at_k": {str(k): _summary(values) for k, values in voting.items()},
    }


def _summary(values: Sequence[float]) -> dict[str, Any]:
    low, high = mean_interval(values)
    return {"value": round(sum(values) / len(values), 6), "interval95": [round(low, 6), round(high, 6)]}


def ensemble(graded_by_model: Sequence[Sequence[Sample]], extractor: AnswerExtractor) -> list[Sample]:
    """One sample a question: what all answers of all models to it vote for.

    The models must have been asked the same questions, by id; `ValueError` otherwise. A tie goes to what was said
    first, in the order of the models. The sample's `output` lists each model's answers, `tokens` is their sum,
    `strategy` is `vote`; it is strict when one of the winning answers is, finished when one of them is.
    """
    asked = [by_question(samples) for samples in graded_by_model]
    if any(questions.keys() != asked[0].keys() for questions in asked):
        raise ValueError("an ensemble of models that answered different questions")
    return [_voted([questions[id] for questions in asked], extractor) for id in asked[0]]


def _voted(by_model: Sequence[Sequence[Sample]], extractor: AnswerExtractor) -> Sample:
    """The vote on one question; `by_model` holds each model's answers to it."""
    ballots = [sample for samples in by_model for sample in samples]
    leading = vote([s.predicted for s in ballots], extractor.equal)
    winners = [ballots[place] for place in leading[0]] if leading else []
    listed = [f"model {n}: {', '.join(map(_said, samples))}" for n, samples in enumerate(by_model, 1)]
    before = "\n".join([*listed, "vote: "])
    predicted = winners[0].predicted if winners else None
    return replace(
        ballots[0],
        sample=0,
        predicted=predicted,
        correct=bool(winners) and winners[0].correct,
        strict=bool(winners) and winners[0].correct and any(s.strict for s in winners),
        strategy="vote" if winners else None,
        span=(len(before), len(before) + len(predicted)) if predicted is not None else None,
        tokens=sum(s.tokens for s in ballots),
        finished=any(s.finished for s in winners or ballots),
        output=f"{before}{predicted if winners else NO_ANSWER} ({len(winners)} of {len(ballots)})",
    )


def _said(sample: Sample) -> str:
    return NO_ANSWER if sample.predicted is None else sample.predicted
