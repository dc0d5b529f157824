"""The samples of a report as JSON for its table: every question with what each model answered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reason_cli.engine.analysis import slip, slip_place
from reason_cli.engine.comparison import pair
from reason_cli.engine.grading import Sample, by_question
from reason_cli.engine.plots.plot import named

if TYPE_CHECKING:
    from reason_cli.engine.comparison import Comparison
    from reason_cli.engine.graded import Graded

MOST_CHARACTERS = 20_000_000  # of samples in a page; browsers still open it at once


def samples_json(models: Mapping[str, Graded], comparisons: Sequence[Comparison]) -> str:
    """JSON that can stand in a script element: ASCII without "<", ">" and "&".

    `questions` is how many there are, `asked` those that the page holds: number, question, expected answer, expected
    reasoning, tags, change in each model, and the answers by their number, one (or null) for each model. Over
    `MOST_CHARACTERS` the page holds as many questions as fit, evenly spread.
    """
    flips = _flips(models, comparisons)
    asked = [_written(_asked(group, flips)) for group in _grouped(list(models.values()))]
    kept = _that_fit(asked)
    heads = _written({"models": list(models), "compared": bool(comparisons), "questions": len(asked)})
    return f'{heads[:-1]},"asked":[{",".join(kept)}]}}'


def _grouped(graded: Sequence[Graded]) -> list[list[Sequence[Sample]]]:
    """For each question the answers of each model, in the order of the first model's."""
    first, *others = graded
    groups: list[list[Sequence[Sample]]] = [[answers] for answers in by_question(first.samples).values()]
    for other in others:
        for group, (_, answers) in zip(groups, pair(first, other), strict=True):
            group.append(answers)
    return groups


def _flips(models: Mapping[str, Graded], comparisons: Sequence[Comparison]) -> list[dict[int, str]]:
    """For each model, what became of the questions by their number in the first."""
    labels = list(models)
    flips: list[dict[int, str]] = [{} for _ in labels]
    for comparison in comparisons:
        changed = flips[labels.index(named(models, comparison.b))]
        changed |= dict.fromkeys(comparison.corrected, "corrected") | dict.fromkeys(comparison.broken, "broken")
    return flips


def _asked(group: Sequence[Sequence[Sample]], flips: Sequence[Mapping[int, str]]) -> list[Any]:
    question = group[0][0]
    numbers = sorted({sample.sample for answers in group for sample in answers})
    by_number = [{sample.sample: _answer(sample) for sample in answers} for answers in group]
    return [
        question.id,
        question.question,
        question.expected,
        question.reasoning,
        dict(question.tags),
        [changed.get(question.id) for changed in flips],
        [[number, [answers.get(number) for answers in by_number]] for number in numbers],
    ]


def _answer(sample: Sample) -> list[Any]:
    """Right or not, what was read and how, where it stands in the text, tokens, whether it ended, slip, where, text."""
    kind = slip(sample)
    return [
        int(sample.correct),
        sample.predicted,
        sample.strategy,
        _place(sample.output, sample.span),
        sample.tokens,
        int(sample.finished),
        kind,
        _place(sample.output, slip_place(sample) if kind == "arithmetic" else None),
        sample.output,
    ]


def _place(text: str, span: tuple[int, int] | None) -> list[int] | None:
    """A span of a text as JavaScript counts: a character beyond U+FFFF is two."""
    if span is None or text.isascii():
        return list(span) if span else None
    return [len(text[:end].encode("utf-16-le", "surrogatepass")) // 2 for end in span]


def _written(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _that_fit(asked: Sequence[str]) -> list[str]:
    """All; or as many as have room, evenly spread over the questions."""
    count = len(asked)
    while True:
        kept = [asked[n * len(asked) // count] for n in range(count)]
        size = sum(map(len, kept))
        if size <= MOST_CHARACTERS:
            return kept
        count = min(count - 1, count * MOST_CHARACTERS // size)
