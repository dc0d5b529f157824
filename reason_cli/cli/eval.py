"""`reason eval`: a checkpoint graded on datasets."""

from __future__ import annotations

import json
from pathlib import Path

import click

from reason_cli.cli import options
from reason_cli.cli.main import board
from reason_cli.config import Layer
from reason_cli.errors import ReasonError
from reason_cli.plugins import Switchboard
from reason_cli.runs import Checkpoint


@click.command("eval", cls=options.SettingsCommand, tables=("eval", "hardware"), keys=("data.text_column",))
@click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")
@click.option(
    "--checkpoint", required=True, type=click.Path(path_type=Path), help="A run directory, or a folder of weights."
)
@click.option("--output", type=click.Path(path_type=Path), help="Where result folders go. [RUN/eval, else ./eval]")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.pass_context
def eval_command(
    ctx: click.Context, datasets: tuple[str, ...], checkpoint: Path, output: Path | None, as_json: bool
) -> None:
    """Generate answers to a dataset's questions and grade them.

    DATASET is NAME[:SPLIT][@N] or a file; the split is `test` unless named. Settings start from those that
    the checkpoint's run was trained under.
    """
    from reason_cli.cli import jobs
    from reason_cli.cli.display import TerminalReporter, out

    switchboard = board(ctx)
    found = Checkpoint.find(checkpoint)
    settings, choice = options.resolve_settings(switchboard, ctx, _base(switchboard, found))
    tasks = jobs.tasks(switchboard, settings, datasets)
    jobs.check_text_column(settings, [task.source for task in tasks])
    subject = jobs.subject(switchboard, settings, choice, found)
    root = output or (found.run.path / "eval" if found.run else Path("eval"))
    done = jobs.evaluate_all(settings, subject, tasks, root, TerminalReporter(), show=not as_json)
    if as_json:
        click.echo(json.dumps([e.results for e in done], indent=2, ensure_ascii=False))
    else:
        out.print("\n".join(["", *(f"results: {e.folder}" for e in done)]))


def _base(switchboard: Switchboard, found: Checkpoint) -> list[Layer]:
    """The settings of the checkpoint's run, or of a bare folder the architecture that its weights are of."""
    from reason_cli.cli import jobs

    if found.run:
        return [jobs.run_layer(switchboard, found.run)]
    architecture = switchboard.architecture_of_type(found.model_type)
    if architecture is None:
        raise ReasonError(
            f"{found.path} is a '{found.model_type}' model, and no plugin has that architecture",
            "`reason plugins` lists those that are there",
        )
    return [Layer(f"checkpoint {found.path.name}", {"model.arch": architecture.name})]
