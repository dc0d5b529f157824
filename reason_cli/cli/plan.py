"""`reason plan`: every preset against this machine or a profile's, before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reason_cli.api import ArchitectureOptions
from reason_cli.cli import options
from reason_cli.cli.main import board
from reason_cli.config import HardwareOptions, Settings, TrainOptions, keys_of
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    from reason_cli.engine.forecast import Candidate, Outlook
    from reason_cli.engine.target import Target

LENGTH = next(key for key in keys_of("model", ArchitectureOptions) if key.name == "max_seq_len")
PICTURES = (".png", ".svg")


@click.command(
    "plan",
    cls=options.SettingsCommand,
    tables=("train", "hardware"),
    keys=("model.arch", "model.tokenizer"),
    named={"seq-len": LENGTH},
)
@click.option("--probe", is_flag=True, help="Time a few training steps of small presets here, and keep the speed.")
@click.option("--plot", type=click.Path(path_type=Path), help="Also draw the memory by part: a .png or .svg file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, all memory in bytes.")
@click.pass_context
def plan_command(ctx: click.Context, probe: bool, plot: Path | None, as_json: bool) -> None:
    """Show which presets can be trained here, or on a profile's card.

    Each is what `reason train --arch PRESET` with the same flags would take, with all rows of the greatest length:
    the memory of one row at a time, the rows that the planner lets through at once, and its verdict. No weights are
    loaded. --arch takes an architecture, for all its presets, or one preset.
    """
    from reason_cli.cli.display import TerminalReporter
    from reason_cli.cli.plan_view import show_forecast
    from reason_cli.engine.forecast import forecast, recommended, speeds
    from reason_cli.engine.target import target

    if plot and plot.suffix not in PICTURES:
        raise ReasonError(f"cannot draw '{plot}'", f"name a file that ends in {' or '.join(PICTURES)}", usage=True)
    candidates, settings = _candidates(ctx)
    hardware = settings.make(HardwareOptions, "hardware")
    aim = target(hardware, settings["hardware.vram"].source if hardware.vram else "")
    report = TerminalReporter()
    measured = speeds(candidates, aim, hardware.precision, report.say if probe else None)
    rows = forecast(candidates, aim, measured)
    if plot:
        _draw(plot, rows, aim)
        report.say(f"plot: {plot}")
    if as_json:
        told = {
            "target": aim.as_json(),
            "speeds": {name: speed.as_json() for name, speed in measured.items()},
            "presets": [row.as_json() for row in rows],
            "recommended": recommended(rows),
        }
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    show_forecast(rows, aim, measured)


def _candidates(ctx: click.Context) -> tuple[list[Candidate], Settings]:
    """Each preset with its own settings under these flags, and the settings of the first."""
    from reason_cli.engine.forecast import Candidate
    from reason_cli.engine.tokenizers import vocab_size_for

    switchboard = board(ctx)
    sizes: dict[str, int] = {}
    made, found = [], []
    for name in _presets(ctx):
        settings, choice = options.resolve_settings(switchboard, ctx, arch=name)
        architecture = choice.architecture
        model_options = settings.make(architecture.Options, "model")
        tokenizer = settings["model.tokenizer"].value or architecture.tokenizer(model_options)
        if tokenizer not in sizes:
            sizes[tokenizer] = vocab_size_for(architecture, model_options, tokenizer)
        train = settings.make(TrainOptions, "train")
        may_checkpoint = settings["train.gradient_checkpointing"].source == "default"
        as_asked = not settings["hardware.vram_auto"].value
        made.append(Candidate(name, architecture, model_options, sizes[tokenizer], train, may_checkpoint, as_asked))
        found.append(settings)
    method = found[0]["train.method"].value
    if method != "sft":
        raise ReasonError(f"no memory is planned for train.method {method}", "leave --method out", usage=True)
    return made, found[0]


def _presets(ctx: click.Context) -> list[str]:
    """The presets of the architecture that is named, the one that is named, or all there are."""
    switchboard = board(ctx)
    asked = options.asked_architecture(switchboard, ctx)
    if asked and switchboard.architecture(asked).preset:
        return [asked]
    names = [asked] if asked else switchboard.names("architecture")
    architectures = {choice.architecture.name: choice.architecture for choice in map(switchboard.architecture, names)}
    # An architecture without presets is planned as it is by default.
    return [preset for name, architecture in architectures.items() for preset in (architecture.presets or (name,))]


def _draw(path: Path, rows: list[Outlook], aim: Target) -> None:
    from reason_cli.engine.plots.memory import memory_plot

    try:
        path.write_bytes(memory_plot(rows, aim).file(path.suffix))
    except OSError as error:
        raise ReasonError(f"cannot write {path}: {error.strerror}", "choose another --plot") from None
