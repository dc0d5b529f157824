"""How `reason compare` draws two evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.text import Text

from reason_cli.cli.display import TerminalReporter, out, table

if TYPE_CHECKING:
    from reason_cli.engine.comparison import Answers, Comparison, Pair

SHORT, LONG = 24, 160  # characters shown of a setting, and of a question or an answer's last line


def say_what_differs(comparison: Comparison) -> None:
    """Warn of the settings that differ, which may be why the figures do; say the notes."""
    report = TerminalReporter()
    for key, (a, b) in comparison.settings_differ.items():
        report.warn(f"{key} differs: {_cut(repr(a), SHORT)} in a, {_cut(repr(b), SHORT)} in b")
    for note in comparison.notes:
        report.say(f"note: {note}")


def show_comparison(comparison: Comparison) -> None:
    """Who is compared, the table of figures, how the questions fell, and the verdicts."""
    from reason_cli.engine.comparison import verdict

    for name, side in (("a", comparison.a), ("b", comparison.b)):
        out.print(Text.assemble((f"{name}: ", "bold"), f"{side['label']} on {side['dataset']} ({side['folder']})"))
    measures = {
        "accuracy": comparison.as_json(),
        "strict": comparison.strict,
        **{f"pass@{k}": figures for k, figures in comparison.pass_at_k.items()},
    }
    out.print()
    out.print(
        table("", "a (95%)", "b (95%)", "b - a, points (95%)", rows=[_row(*measure) for measure in measures.items()])
    )
    relative = "" if comparison.relative is None else f"; relative {comparison.relative:+.1%}"
    right = "" if comparison.mcnemar else " (right: more than half of its answers are)"
    out.print(
        f"\n{comparison.n:,} questions{right}: right in both {comparison.both:,}, in neither {comparison.neither:,}; "
        f"b corrected {len(comparison.corrected):,}, broke {len(comparison.broken):,}{relative}"
    )
    out.print(Text(f"accuracy: {verdict(comparison.as_json())}", style="bold"))
    out.print(Text(f"strict: {verdict(comparison.strict)}"))


def _row(name: str, figures: Mapping[str, Any]) -> list[str]:
    low, high = (100 * end for end in figures["bootstrap95"])
    difference = f"{100 * figures['difference']:+.1f} ({low:+.1f} to {high:+.1f})"
    return [name, _side(figures["a"]), _side(figures["b"]), difference]


def _side(side: Mapping[str, Any] | float) -> str:
    if isinstance(side, float):
        return f"{side:.1%}"
    low, high = side["interval95"]
    return f"{side['accuracy']:.1%} ({100 * low:.1f} to {100 * high:.1f})"


def show_questions(what: str, pairs: Sequence[Pair], count: int) -> None:
    """The first `count` of the questions that were `what`: question, last lines of both, what was expected."""
    rows = [
        (a[0].id, *(escape(text) for text in (_cut(a[0].question, LONG), _last(a), _last(b), a[0].expected)))
        for a, b in pairs[:count]
    ]
    if rows:
        out.print(f"\n{what}: {len(rows)} of {len(pairs):,}", style="bold")
        out.print(table("#id", "question", "a ends with", "b ends with", "expected", rows=rows))


def _last(answers: Answers) -> str:
    """The last line of the first answer, and how many are right where there are several."""
    lines = [line for line in answers[0].output.splitlines() if line.strip()] or ["(nothing)"]
    counted = f"{sum(s.correct for s in answers)} of {len(answers)} right: " if len(answers) > 1 else ""
    return counted + _cut(lines[-1], LONG)


def _cut(text: str, longest: int) -> str:
    """Text as one line of so many characters at most; what would steer a terminal becomes a space."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
