"""Answers against what was expected: samples, and the shares of right ones. Knows no model and no file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reason_cli.api import AnswerExtractor, Example
from reason_cli.engine.statistics import mean_interval, wilson

CUT_OFF_WARNING, NO_ANSWER_WARNING = 0.01, 0.02  # rates above which a person should know


@dataclass(frozen=True)
class Sample:
    """One graded answer, a line of `samples.jsonl`.

    `id` is the question's number, from 0, and `sample` the answer's, of those to the same question. `span` is where
    `predicted` stands in `output`. `strict`: right, and found by an explicit marker. `reasoning` is the expected one.
    """

    id: int
    sample: int
    question: str
    expected: str
    predicted: str | None
    correct: bool
    strict: bool
    strategy: str | None
    span: tuple[int, int] | None
    tokens: int
    finished: bool
    output: str
    reasoning: str
    tags: Mapping[str, str | int]


@dataclass(frozen=True)
class Said:
    """An answer to be graded: which question's, which of its answers, the text, its tokens, whether it had an end."""

    id: int
    sample: int
    text: str
    tokens: int
    finished: bool


def grade(said: Said, example: Example, extractor: AnswerExtractor) -> Sample:
    """One answer against what was expected."""
    found = extractor.extract(said.text)
    correct = found is not None and extractor.correct(found.value, example)
    return Sample(
        id=said.id,
        sample=said.sample,
        question=example.question,
        expected=example.answer,
        predicted=found.value if found else None,
        correct=correct,
        strict=correct and found is not None and extractor.is_marked(found.strategy),
        strategy=found.strategy if found else None,
        span=found.span if found else None,
        tokens=said.tokens,
        finished=said.finished,
        output=said.text,
        reasoning=example.reasoning,
        tags=dict(example.tags),
    )


def by_question(samples: Iterable[Sample]) -> dict[int, list[Sample]]:
    """The answers to each question, in the order of the questions."""
    groups: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.id].append(sample)
    return dict(sorted(groups.items()))


def share(verdicts: Sequence[Sequence[bool]]) -> dict[str, Any]:
    """The share of right answers, with its 95% interval; `verdicts` are those of each question's answers.

    With one answer a question the interval is Wilson's; with several it is clustered by question, since answers to
    one question are not independent. `n` counts questions, `correct` and `answers` count answers.
    """
    n, answers, correct = len(verdicts), sum(map(len, verdicts)), sum(map(sum, verdicts))
    low, high = wilson(correct, n) if answers == n else mean_interval([sum(v) / len(v) for v in verdicts])
    return {
        "n": n,
        **({"answers": answers} if answers != n else {}),
        "correct": correct,
        "accuracy": round(correct / answers, 6) if answers else 0.0,
        "interval95": [round(low, 6), round(high, 6)],
    }


def summarise(samples: Sequence[Sample]) -> dict[str, Any]:
    """Accuracy with its interval, lenient and strict, and the rates beside it."""
    n = len(samples)
    groups = list(by_question(samples).values())
    return {
        **share([[s.correct for s in group] for group in groups]),
        "strict": share([[s.strict for s in group] for group in groups]),
        "no_answer_rate": round(sum(s.predicted is None for s in samples) / n, 6),
        "cut_off_rate": round(sum(not s.finished for s in samples) / n, 6),
        "mean_tokens": round(sum(s.tokens for s in samples) / n, 2),
        "strategies": dict(Counter(s.strategy or "none" for s in samples).most_common()),
        "by": by_tag(samples),
    }


def by_tag(samples: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    """Accuracy by the value of each tag."""
    tags = sorted({tag for s in samples for tag in s.tags})
    return {tag: shares_by([(s.tags[tag], s) for s in samples if tag in s.tags]) for tag in tags}


def shares_by(labelled: Sequence[tuple[str | int, Sample]]) -> dict[str, Any]:
    """Accuracy by label: numbers first, in their order, then words."""
    groups: dict[str | int, list[Sample]] = defaultdict(list)
    for label, sample in labelled:
        groups[label].append(sample)
    return {
        str(label): share([[s.correct for s in group] for group in by_question(groups[label]).values()])
        for label in sorted(groups, key=lambda label: (isinstance(label, str), label))
    }
