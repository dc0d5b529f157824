"""Two evaluations of the same questions, compared in pairs: question by question, b against a."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from math import fsum
from typing import Any

from reason_cli.engine.graded import Graded
from reason_cli.engine.grading import Sample, by_question, share
from reason_cli.engine.statistics import mcnemar_exact, paired_bootstrap, pass_at_k
from reason_cli.engine.voting import sample_counts
from reason_cli.errors import ReasonError

# What is the model's own, or is only about speed; anything else that differs may be why the figures do.
OF_THE_MODEL = {"weights_sha256", "config_sha256", "chat_template_sha256", "batch_size"}
SEVERAL = "no McNemar test: answers to one question are not independent; the interval is by question"
ITSELF = "both are the same evaluation"
UNLIKELY = 0.05  # a p below it is called unlikely to be chance

Answers = Sequence[Sample]  # to one question
Pair = tuple[Answers, Answers]  # those of a and of b


@dataclass(frozen=True)
class Comparison:
    """How b differs from a, on `n` questions that both were asked.

    `a`, `b`: label, dataset, checkpoint, folder, and the share of right answers as `grading.share` gives it.
    `difference`: accuracy of b minus that of a, from -1 to 1; `bootstrap95` its paired interval, by question;
    `relative`: accuracy of b over that of a, minus 1, `None` when a's is 0.
    `mcnemar`: `only_a` and `only_b`, questions that one alone got right, and the exact two-sided `p`; `None` when a
    question has several answers. A question is right when more than half of its answers are: `both` and `neither`
    count such questions; `corrected` (wrong in a, right in b) and `broken` hold the numbers that they have in a.
    `strict`: the same figures of answers found by an explicit marker. `pass_at_k`: by k, of sampled evaluations,
    the `a`, `b`, `difference` and `bootstrap95`. `settings_differ`: by name, a's and b's. `notes`: for people.
    """

    a: Mapping[str, Any]
    b: Mapping[str, Any]
    n: int
    difference: float
    bootstrap95: tuple[float, float]
    relative: float | None
    mcnemar: Mapping[str, Any] | None
    both: int
    neither: int
    corrected: Sequence[int]
    broken: Sequence[int]
    strict: Mapping[str, Any]
    pass_at_k: Mapping[str, Any]
    settings_differ: Mapping[str, tuple[Any, Any]]
    notes: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """What `comparison.json` holds of it."""
        return asdict(self)


def may_be_chance(figures: Mapping[str, Any]) -> bool:
    """Whether a difference may be chance: by McNemar's p where there is one, else by the interval.

    `figures` is `Comparison.as_json()`, its `strict`, or one of its `pass_at_k`.
    """
    if figures.get("mcnemar"):
        return figures["mcnemar"]["p"] >= UNLIKELY
    low, high = figures["bootstrap95"]
    return low <= 0 <= high


def verdict(figures: Mapping[str, Any]) -> str:
    """In a plain line: which is ahead, by how much, and whether that may be chance; of the same `figures`."""
    points, likely = 100 * figures["difference"], may_be_chance(figures)
    if not points:
        return "neither is ahead: a and b are right equally often"
    if figures.get("mcnemar"):
        p = figures["mcnemar"]["p"]
        why = f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"
    else:
        why = f"the interval {'holds' if likely else 'leaves out'} 0"
    ahead = "b is ahead of a" if points > 0 else "a is ahead of b"
    return f"{ahead} by {abs(points):.1f} points, {'may be' if likely else 'unlikely to be'} chance ({why})"


def compare(a: Graded, b: Graded, seed: int = 0) -> Comparison:
    """b against a; `seed` is the bootstrap's. Raises `ReasonError` when they are of different questions."""
    pairs = pair(a, b)
    lenient = _measure(pairs, lambda sample: sample.correct, seed)
    strict = _measure(pairs, lambda sample: sample.strict, seed)
    notes = [SEVERAL] * _several(pairs) + [ITSELF] * (a.folder.resolve() == b.folder.resolve())
    return Comparison(
        **lenient | {"a": _described(a, lenient["a"]), "b": _described(b, lenient["b"])},
        n=len(pairs),
        strict=strict,
        pass_at_k=_pass_at_k(pairs, seed),
        settings_differ=_settings_that_differ(a.results["settings"], b.results["settings"]),
        notes=notes,
    )


def pair(a: Graded, b: Graded) -> list[Pair]:
    """The answers of both to each question, in a's order.

    Questions are matched by their text and expected answer, the same ones by the order they come in. Raises
    `ReasonError` when one of them was asked what the other was not.
    """
    asked_a, asked_b = (list(by_question(graded.samples).values()) for graded in (a, b))
    waiting: dict[tuple[str, str], deque[Answers]] = defaultdict(deque)
    for answers in asked_b:
        waiting[_key(answers)].append(answers)
    pairs: list[Pair] = []
    alone: list[Answers] = []  # questions of a that b was not asked
    for answers in asked_a:
        same = waiting[_key(answers)]
        if same:
            pairs.append((answers, same.popleft()))
        else:
            alone.append(answers)
    left = [answers for same in waiting.values() for answers in same]
    if alone or left:
        side, first = ("a", alone[0][0]) if alone else ("b", min((answers[0] for answers in left), key=_id))
        raise ReasonError(
            f"a ({a.label}) and b ({b.label}) answered different questions: {len(asked_a):,} and {len(asked_b):,}, "
            f"of which they share {len(pairs):,}; the first that differs is id {first.id} of {side}, "
            f"'{_short(first.question)}' (expected {_short(first.expected)})",
            "evaluate both on the same dataset, split and limit",
        )
    return pairs


def _key(answers: Answers) -> tuple[str, str]:
    return answers[0].question, answers[0].expected


def _id(sample: Sample) -> int:
    return sample.id


def _short(text: str, longest: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _measure(pairs: Sequence[Pair], right: Callable[[Sample], bool], seed: int) -> dict[str, Any]:
    """The figures of one way to call an answer right."""
    verdicts = [([right(s) for s in of_a], [right(s) for s in of_b]) for of_a, of_b in pairs]
    shares = [(_mean(of_a), _mean(of_b)) for of_a, of_b in verdicts]
    a, b = _mean([of_a for of_a, _ in shares]), _mean([of_b for _, of_b in shares])
    outcomes = Counter((of_a > 0.5, of_b > 0.5) for of_a, of_b in shares)
    only_a, only_b = outcomes[True, False], outcomes[False, True]
    return {
        "a": share([of_a for of_a, _ in verdicts]),
        "b": share([of_b for _, of_b in verdicts]),
        **_difference(shares, seed),
        "relative": round(b / a - 1, 6) if a else None,
        "mcnemar": None
        if _several(pairs)
        else {"only_a": only_a, "only_b": only_b, "p": mcnemar_exact(only_a, only_b)},
        "both": outcomes[True, True],
        "neither": outcomes[False, False],
        "corrected": [of_a[0].id for (of_a, _), (x, y) in zip(pairs, shares, strict=True) if x <= 0.5 < y],
        "broken": [of_a[0].id for (of_a, _), (x, y) in zip(pairs, shares, strict=True) if y <= 0.5 < x],
    }


def _difference(shares: Sequence[tuple[float, float]], seed: int) -> dict[str, Any]:
    """The mean difference of pairs of shares, b minus a, and its interval."""
    differences = [b - a for a, b in shares]
    low, high = paired_bootstrap(differences, seed)
    return {"difference": round(_mean(differences), 6), "bootstrap95": (round(low, 6), round(high, 6))}


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)


def _several(pairs: Sequence[Pair]) -> bool:
    return any(len(answers) > 1 for answers in chain.from_iterable(pairs))


def _pass_at_k(pairs: Sequence[Pair], seed: int) -> dict[str, Any]:
    """pass@k of both, for every k that each question has answers enough for; empty where that is one."""
    most = min(map(len, chain.from_iterable(pairs)))
    return {str(k): _passing(pairs, k, seed) for k in sample_counts(most) if most > 1}


def _passing(pairs: Sequence[Pair], k: int, seed: int) -> dict[str, Any]:
    shares = [(_passes(of_a, k), _passes(of_b, k)) for of_a, of_b in pairs]
    a, b = _mean([of_a for of_a, _ in shares]), _mean([of_b for _, of_b in shares])
    return {"a": round(a, 6), "b": round(b, 6), **_difference(shares, seed)}


def _passes(answers: Answers, k: int) -> float:
    return pass_at_k(len(answers), sum(s.correct for s in answers), k)


def _described(graded: Graded, shares: Mapping[str, Any]) -> dict[str, Any]:
    said = {key: graded.results[key] for key in ("dataset", "checkpoint")}
    return {"label": graded.label, **said, "folder": str(graded.folder), **shares}


def _settings_that_differ(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {key: (a[key], b[key]) for key in a if key in b and key not in OF_THE_MODEL and a[key] != b[key]}
