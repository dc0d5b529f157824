"""`reason merge`: an adapter and its base as one model."""

from __future__ import annotations

import json
from pathlib import Path

import click

from reason_cli.cli import options
from reason_cli.cli.main import board
from reason_cli.config import Layer
from reason_cli.errors import ReasonError
from reason_cli.plugins import Switchboard
from reason_cli.runs import ADAPTER, Checkpoint, beside

STEPS = {
    "merging": "merged, float32, beside base + adapter",
    "rounding": "as written, loaded again, beside the same",
    "quantisation": "as written, beside the adapter on the base as it was held in training",
}


@click.command("merge", cls=options.SettingsCommand, tables=(), keys=("hardware.threads",))
@click.option(
    "--checkpoint", required=True, type=click.Path(path_type=Path), help="A run with an adapter, or a folder with one."
)
@click.option("--output", type=click.Path(path_type=Path), help="Where the model goes. [CHECKPOINT-merged]")
@click.option("--dtype", default="bf16", show_default=True, type=click.Choice(["bf16", "fp16", "fp32"]))
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_context
def merge_command(ctx: click.Context, checkpoint: Path, output: Path | None, dtype: str, as_json: bool) -> None:
    """Merge an adapter into its base: one model that needs no other.

    The base is loaded whole in float32, so merging needs 4 bytes of memory for each parameter, twice over when the
    result is checked. The logits of the result are compared with those of the adapter, step by step.
    """
    from reason_cli.cli.display import out, show_next
    from reason_cli.cli.evaluations import settings_of
    from reason_cli.engine.report import hush_libraries
    from reason_cli.engine.subject import fetch

    hush_libraries()
    switchboard, found = board(ctx), fetch(Checkpoint.find(checkpoint))
    base = settings_of(switchboard, found) or _of_adapter(switchboard, found)
    settings, choice = options.resolve_settings(switchboard, ctx, base)
    output = output or beside(checkpoint, "merged")
    if output.exists():
        raise ReasonError(f"{output} is there already", "choose another --output", usage=True)
    model_options = settings.make(choice.architecture.Options, "model")
    compared = choice.architecture.merge(found.path, output, model_options, dtype)
    if as_json:
        click.echo(json.dumps({"output": str(output), **compared}))
        return
    out.print(f"{output}: {dtype}")
    for name, difference in compared.items():
        if difference is not None:
            largest, same = difference
            said = f"logits differ by {largest:.2g} at most, likeliest token the same in {same:.1%}"
            out.print(f"{STEPS.get(name, name)}: {said}")
    show_next(found.learned, output)


def _of_adapter(board: Switchboard, found: Checkpoint) -> list[Layer]:
    """The architecture of peft's adapters, for a folder with one that came from no run. Raises `ReasonError`."""
    architecture = board.architecture_of_type("peft") if (found.path / ADAPTER).is_file() else None
    if architecture is None:
        raise ReasonError(f"{found.name} holds no adapter", "there is nothing to merge")
    return [Layer(f"checkpoint {found.path.name}", {"model.arch": architecture.name})]
