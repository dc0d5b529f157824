"""`reason grade`: answers that stand in a file, graded without a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reason_cli.cli.main import board

if TYPE_CHECKING:
    from reason_cli.engine.grade_file import Outcome


@click.command("grade")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--extractor", metavar="NAME", help="Reads and compares answers. [the evaluation's, else number]")
@click.option("--text-column", metavar="NAME", help="What was answered. [text; of an evaluation output]")
@click.option("--gold-column", metavar="NAME", help="What was expected. [gold; of an evaluation expected]")
@click.option(
    "--output", type=click.Path(path_type=Path), help="A .jsonl file of graded rows, or a new evaluation folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def grade_command(
    file: Path, extractor: str | None, text_column: str | None, gold_column: str | None, output: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Grade the answers of any tool, without a model.

    FILE is .jsonl, .json, .csv or .parquet with a row per answer, or an evaluation that `reason eval` wrote. A column
    may be nested, as resps.0.0. A gold answer may be a whole solution, as GSM8K's, that ends in its answer.
    """
    from reason_cli.cli.display import TerminalReporter, out
    from reason_cli.engine.grade_file import grade_file
    from reason_cli.engine.regrade import find_source

    source = find_source(file, text_column or "", gold_column or "")
    chosen = board(click.get_current_context()).extractor(extractor or source.extractor)
    outcome = grade_file(source, chosen, output, TerminalReporter())
    if as_json:
        click.echo(json.dumps(outcome.results, indent=2, ensure_ascii=False))
        return
    _show(outcome)
    if output:
        out.print(f"\nresults: {output}")


def _show(outcome: Outcome) -> None:
    """The figures, strict ones beside the lenient."""
    from rich.text import Text

    from reason_cli.cli.display import out, table

    results, counts = outcome.results, outcome.counts
    questions = f" to {results['n']:,} questions" if "answers" in results else ""
    out.print(Text(f"\n{results['dataset']}: {counts.rows - counts.bad - counts.passed_over:,} answers{questions}"))
    rows = []
    for name, share in (("lenient", results), ("strict", results["strict"])):
        low, high = share["interval95"]
        rows.append((name, f"{share['accuracy']:.1%}", f"{low:.1%} to {high:.1%}", f"{share['correct']:,}"))
    out.print(table("", "#accuracy", "95% interval", "#right", rows=rows))
    strategies = ", ".join(f"{name} {count:,}" for name, count in results["strategies"].items())
    out.print(Text(f"no answer {results['no_answer_rate']:.1%}; found by {strategies}"))
    if "regraded" in results:
        again = results["regraded"]
        out.print(
            f"against the grading before: {again['newly_right']:,} newly right, {again['newly_wrong']:,} newly wrong"
        )
