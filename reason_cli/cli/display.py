"""What a person sees: lines, bars and tables, through rich. Quiet bars where nobody watches."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

BLOCKS = "▁▂▃▄▅▆▇█"

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class TerminalReporter:
    """The engine's `Reporter` on a terminal: lines go to standard error, a bar is drawn only on a terminal."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.task: Any = None

    def say(self, text: str) -> None:
        err.print(Text(text))

    def warn(self, text: str) -> None:
        err.print(Text.assemble(("warning: ", "yellow"), text))

    def start(self, title: str, total: float | None) -> None:
        if not err.is_terminal:
            return
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=err,
            transient=True,
        )
        self.progress.start()
        self.task = self.progress.add_task(title, total=total, figures="")

    def update(self, done: float, figures: Mapping[str, str]) -> None:
        if self.progress:
            facts = "  ".join(f"{name} {value}".strip() for name, value in figures.items())
            self.progress.update(self.task, completed=done, figures=facts)

    def finish(self) -> None:
        if self.progress:
            self.progress.stop()
            self.progress = None


def table(*columns: str, rows: Sequence[Sequence[object]], title: str = "") -> Table:
    """A plain table; columns whose name starts with `#` are numbers and stand on the right."""
    drawn = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        number = column.startswith("#")
        drawn.add_column(column.lstrip("#"), justify="right" if number else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(str(cell) for cell in row))
    return drawn


def bar(share: float, width: int = 24) -> str:
    """A share from 0 to 1 as a horizontal bar."""
    full = round(share * width)
    return "█" * full + "·" * (width - full)


def curve(values: Sequence[float], width: int = 60) -> str:
    """A row of blocks whose heights follow the positive values on a logarithmic scale, thinned out to `width`."""
    if not values:
        return ""
    step = max(1, len(values) / width)
    picked = [math.log(max(values[int(i * step)], 1e-9)) for i in range(min(width, len(values)))]
    low, high = min(picked), max(picked)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((v - low) * scale)] for v in picked)


def size(count: float, unit: str = "B") -> str:
    """A number of bytes as people write it."""
    for prefix in ("", "Ki", "Mi", "Gi"):
        if abs(count) < 1024 or prefix == "Gi":
            break
        count /= 1024
    return f"{count:.3g} {prefix}{unit}" if prefix else f"{count:.0f} {unit}"


def show_next(dataset: str, checkpoint: Path) -> None:
    """What to type next: what was made is graded on what its run learned, or else on what the field asks."""
    where = shlex.quote(str(checkpoint))
    out.print(f"\nnext:\n  reason eval {dataset or 'gsm8k'} --checkpoint {where}", style="dim", markup=False)


def show_evaluation(results: Mapping[str, Any], named: bool = False) -> None:
    """An evaluation's figures, strict beside lenient, and accuracy by tag as bars; where `named`, whose they are."""
    low, high = results["interval95"]
    of = f", {escape(results['model'])}" if named else ""
    answers = f" answers to {results['n']} questions" if "answers" in results else ""
    out.print(
        f"\n[bold]{results['dataset']}[/]{of}: accuracy [bold]{results['accuracy']:.1%}[/] "
        f"({results['correct']} of {results.get('answers', results['n'])}{answers}; "
        f"95% interval {low:.1%} to {high:.1%}); strict {results['strict']['accuracy']:.1%}"
    )
    strategies = ", ".join(f"{name} {count}" for name, count in results["strategies"].items())
    speed = results["timing"]["tokens_per_second"]
    out.print(
        f"no answer {results['no_answer_rate']:.1%}, cut off {results['cut_off_rate']:.1%}, "
        f"{results['mean_tokens']:.0f} tokens each, {speed:,.0f} tokens/s; found by {strategies}"
    )
    _show_votes(results)
    slips = ", ".join(
        f"{kind.replace('_', ' ')} {count}" for kind, count in results["errors"]["slips"].items() if count
    )
    if slips:
        out.print(f"wrong answers: {slips}")
    for name, values in {**results["errors"]["by"], **results["by"]}.items():
        _show_shares(name, values)


def _show_votes(results: Mapping[str, Any]) -> None:
    """pass@k and maj@k, where there are several answers to a question."""
    if "pass_at_k" in results:
        rows = [
            (name, *(f"{value['value']:.1%}" for value in results[key].values()))
            for name, key in (("pass@k", "pass_at_k"), ("maj@k", "maj_at_k"))
        ]
        out.print(table("k", *(f"#{k}" for k in results["pass_at_k"]), rows=rows))


def _show_shares(name: str, values: Mapping[str, Any]) -> None:
    rows = [
        (value, v["n"], f"{v['accuracy']:.1%}", bar(v["accuracy"]), "{:.0%} to {:.0%}".format(*v["interval95"]))
        for value, v in values.items()
    ]
    if rows:
        out.print(table(name, "#n", "#accuracy", "", "95% interval", rows=rows))


def show_together(together: Any) -> None:
    """Several checkpoints on one dataset: each one's accuracy, and its difference from the first."""
    first, *others = together.graded
    rows = [(first.results["model"], *_accuracy(first.results), "", "")]
    for graded, found in zip(others, together.comparisons, strict=True):
        low, high = found.bootstrap95
        p = f"p {found.mcnemar['p']:.3g}" if found.mcnemar else ""
        difference = f"{found.difference:+.1%} [{low:+.1%}, {high:+.1%}]"
        rows.append((graded.results["model"], *_accuracy(graded.results), difference, p))
    out.print(f"\n[bold]{first.results['dataset']}[/]: {len(others)} checkpoints and their vote")
    out.print(table("model", "#accuracy", "95% interval", "#strict", "difference", "McNemar", rows=rows))


def _accuracy(results: Mapping[str, Any]) -> tuple[str, str, str]:
    interval = "{:.1%} to {:.1%}".format(*results["interval95"])
    return f"{results['accuracy']:.1%}", interval, f"{results['strict']['accuracy']:.1%}"


def show_samples(samples: Sequence[Any], count: int) -> None:
    """A few graded questions with what the model said."""
    for sample in samples[:count]:
        verdict = ("right", "green") if sample.correct else ("wrong", "red")
        out.print(Text.assemble("\n", ("Q: ", "bold"), sample.question))
        out.print(Text(sample.output.strip(), style="dim"))
        out.print(Text.assemble(verdict, f" (expected {sample.expected})"))
