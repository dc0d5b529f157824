"""`reason eval`: checkpoints graded on datasets, and compared where there are several."""

from __future__ import annotations

import json
from pathlib import Path

import click

from reason_cli.cli import options
from reason_cli.cli.main import board


@click.command(
    "eval",
    cls=options.SettingsCommand,
    tables=("eval",),
    keys=(
        *("data.text_column", "data.system_prompt", "data.prefill", "data.style", "data.reasoning"),
        *("hardware.device", "hardware.precision", "hardware.threads"),
    ),
)
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")
@click.option(
    "--checkpoint",
    "checkpoints",
    required=True,
    multiple=True,
    help="A run directory, a folder of weights, or the hub id of a causal model; several are compared and vote.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Where result folders go. [RUN/eval, else ./eval]")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.pass_context
def eval_command(
    ctx: click.Context, datasets: tuple[str, ...], checkpoints: tuple[str, ...], output: Path | None, as_json: bool
) -> None:
    """Generate answers to a dataset's questions and grade them.

    DATASET is NAME[:SPLIT][@N] or a file; the split is `test` unless named. Settings start from those that
    the checkpoint's run was trained under. What was answered before under the same settings is taken over.
    """
    from reason_cli.cli import evaluations
    from reason_cli.cli.display import TerminalReporter, out

    switchboard, report, several = board(ctx), TerminalReporter(), len(checkpoints) > 1
    done = [
        evaluations.of_checkpoint(switchboard, ctx, text, datasets, output, report, show=not as_json, named=several)
        for text in checkpoints
    ]
    compared = evaluations.of_all(done, output or Path("eval"), show=not as_json) if several else []
    if as_json:
        graded = [g for one in done for g in one.graded]
        figures = [dict(g.results) for g in graded]
        more = [dict(t.graded[-1].results) | {"comparisons": [c.as_json() for c in t.comparisons]} for t in compared]
        click.echo(json.dumps(figures + more, indent=2, ensure_ascii=False))
    else:
        out.print("\n".join(["", *evaluations.places(done, compared)]))
