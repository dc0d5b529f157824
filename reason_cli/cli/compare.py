"""`reason compare`: two evaluations of the same questions, side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    from reason_cli.engine.comparison import Comparison
    from reason_cli.engine.graded import Graded


@click.command("compare")
@click.argument("result_a", metavar="RESULT_A", type=click.Path(path_type=Path))
@click.argument("result_b", metavar="RESULT_B", type=click.Path(path_type=Path))
@click.option("--show", default=3, show_default=True, type=click.IntRange(0), help="Questions to show of each kind.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Also write comparison.json and report.html into this folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def compare_command(result_a: Path, result_b: Path, show: int, output: Path | None, as_json: bool) -> None:
    """Compare two evaluations of the same questions: did it get better?

    RESULT is an evaluation's folder, its results.json, or a run with one evaluation. B is measured against A, question
    by question: the difference with its paired bootstrap interval, McNemar's exact test, and the questions that B
    corrected and broke.
    """
    from reason_cli.cli.compare_view import say_what_differs, show_comparison, show_questions
    from reason_cli.engine.comparison import compare, pair
    from reason_cli.engine.graded import read_graded

    a, b = read_graded(result_a), read_graded(result_b)
    comparison = compare(a, b)
    say_what_differs(comparison)
    if output:
        _write(output, a, b, comparison)
    if as_json:
        click.echo(json.dumps(comparison.as_json(), indent=2, ensure_ascii=False))
        return
    show_comparison(comparison)
    pairs = {of_a[0].id: (of_a, of_b) for of_a, of_b in pair(a, b)}
    show_questions("corrected", [pairs[id] for id in comparison.corrected], show)
    show_questions("broken", [pairs[id] for id in comparison.broken], show)


def _write(folder: Path, a: Graded, b: Graded, comparison: Comparison) -> None:
    from reason_cli.cli.display import TerminalReporter
    from reason_cli.engine.graded import RESULTS
    from reason_cli.engine.page import write_page
    from reason_cli.runs import write_json

    if (folder / RESULTS).exists():
        raise ReasonError(f"{folder} is an evaluation with a report of its own", "choose another --output", usage=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "comparison.json", [comparison.as_json()])
        page = write_page(folder, [a, b], [comparison])
    except OSError as error:
        raise ReasonError(f"cannot write into {folder}: {error.strerror}", "choose another --output") from None
    TerminalReporter().say(f"report: {page}")
