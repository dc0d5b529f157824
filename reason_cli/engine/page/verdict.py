"""What a report says in sentences: how good, how sure, better or worse, and what to beware of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from reason_cli.engine.comparison import may_be_chance
from reason_cli.engine.grading import CUT_OFF_WARNING, NO_ANSWER_WARNING

if TYPE_CHECKING:
    from reason_cli.engine.comparison import Comparison

APART = 0.02  # points between lenient and strict, as a share, above which a person should know


def measured(results: Mapping[str, Any]) -> str:
    """One evaluation in a sentence or two."""
    low, high = results["interval95"]
    answers = results.get("answers")
    counted = f"{answers:,} answers to {results['n']:,} questions" if answers else f"{results['n']:,} questions"
    return (
        f"{results['correct']:,} of {counted} are right: {results['accuracy']:.1%}. "
        f"On more questions of this kind, expect {low:.1%} to {high:.1%} (95% interval)."
    )


def compared(comparison: Comparison, a: str, b: str) -> str:
    """Whether b is better than a, and how sure that is."""
    low, high = comparison.bootstrap95
    figures = f"{points(comparison.difference)} points, 95% interval {points(low)} to {points(high)}"
    if comparison.mcnemar:
        figures += f", McNemar p\N{NO-BREAK SPACE}{p_value(comparison.mcnemar['p'])}"
    changed = f"{len(comparison.corrected):,} questions were corrected, {len(comparison.broken):,} broken."
    if may_be_chance(comparison.as_json()):
        return f"{b} and {a} cannot be told apart on {comparison.n:,} questions: {figures}. {changed}"
    better = "better" if comparison.difference > 0 else "worse"
    return f"{b} is {better} than {a}: {figures}. {changed}"


def warnings(results: Mapping[str, Any]) -> Iterator[str]:
    """What makes the figures of one evaluation mean less than they seem to, in sentences."""
    if results.get("contamination"):
        yield (
            f"Contaminated: it was trained on {results['contamination']:,} rows that hold test questions, and its "
            "accuracy says nothing about new ones."
        )
    if results["cut_off_rate"] > CUT_OFF_WARNING:
        limit = results["settings"].get("max_new_tokens")
        at = f" at the limit of {limit:,} tokens" if isinstance(limit, int) else ""
        yield f"{results['cut_off_rate']:.1%} of the answers were cut off{at}."
    if results["no_answer_rate"] > NO_ANSWER_WARNING:
        yield f"{results['no_answer_rate']:.1%} of the outputs hold no answer that can be read."
    gap = results["accuracy"] - results["strict"]["accuracy"]
    if gap > APART:
        yield f"Strict accuracy is {gap * 100:.1f} points lower: so many right answers have no explicit marker."


def asides(comparison: Comparison) -> Iterator[str]:
    """What a comparison has to be read with, in sentences."""
    yield from (f"{note[:1].upper()}{note[1:]}." for note in comparison.notes)
    if comparison.settings_differ:
        told = "; ".join(f"{key}: {_cut(x)} → {_cut(y)}" for key, (x, y) in comparison.settings_differ.items())
        yield f"The settings differ, which may be why the figures do. {told}."


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{share * 100:+.1f}".replace("-", "−")


def p_value(p: float) -> str:
    """As it is written in a sentence, which does not break there: "= 0.031", "< 0.0001"."""
    said = "< 0.0001" if p < 0.0001 else f"= {p:.2g}" if p < 0.995 else "= 1"
    return said.replace(" ", "\N{NO-BREAK SPACE}")


def _cut(value: Any) -> str:
    text = " ".join(str(value).split()) or "none"
    return text if len(text) <= 40 else text[:39] + "…"
