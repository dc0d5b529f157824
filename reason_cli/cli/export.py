"""`reason export FORMAT`: a checkpoint in another format, proven to say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from reason_cli.api import Exporter
from reason_cli.cli import options
from reason_cli.cli.main import board
from reason_cli.config import Layer, Settings, keys_of
from reason_cli.errors import ReasonError
from reason_cli.plugins import ArchitectureChoice
from reason_cli.runs import ARTEFACT, Checkpoint, beside

TABLE = "export"
# What is compared with: the model in float32 on a CPU.
EXACT = Layer("reason export", {"hardware.device": "cpu", "hardware.precision": "fp32"})


class Formats(click.Group):
    """A command for each registered exporter, with a flag for each of its options."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return board(ctx).names("exporter")

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return command_of(board(ctx).exporter(name))


@click.group("export", cls=Formats, invoke_without_command=True, subcommand_metavar="FORMAT [OPTIONS]")
@click.option("--list", "as_list", is_flag=True, help="Show formats, what each takes, and what is missing to use it.")
@click.pass_context
def export_command(ctx: click.Context, as_list: bool) -> None:
    """Write a checkpoint in another format, proven to say the same.

    What was written is read again and compared with the model before it gets its name: in several lengths and batches,
    padded, in pieces, and over 64 tokens said to each of 8 prompts. Where it differs, nothing is left.
    """
    if as_list:
        _list(board(ctx).exporters())
    elif ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _list(exporters: list[Exporter]) -> None:
    from rich.markup import escape

    from reason_cli.cli.display import out, table

    rows = [(one.name, one.help, one.takes, escape(one.missing()) or "nothing") for one in exporters]
    out.print(table("format", "what it is", "takes", "missing", rows=rows))


def command_of(exporter: Exporter) -> click.Command:
    """`reason export NAME`."""
    return options.SettingsCommand(
        exporter.name,
        callback=click.pass_context(lambda ctx, **given: _export(ctx, exporter, **given)),
        help=f"{exporter.help[:1].upper()}{exporter.help[1:]}.\n\nTakes {exporter.takes}.",
        short_help=exporter.help,
        params=[
            click.Option(
                ["--checkpoint"],
                required=True,
                type=click.Path(path_type=Path),
                help="A run directory, a folder of weights, or the hub id of a causal model.",
            ),
            click.Option(["--output"], type=click.Path(path_type=Path), help="The folder to make. [CHECKPOINT-FORMAT]"),
            click.Option(["--force"], is_flag=True, help="Replace what is there."),
            click.Option(["--json", "as_json"], is_flag=True, help="Print export.json."),
        ],
        keys=("hardware.threads",),
        named={key.name: key for key in keys_of(TABLE, exporter.Options)},
    )


def _export(
    ctx: click.Context, exporter: Exporter, checkpoint: Path, output: Path | None, force: bool, as_json: bool
) -> None:
    from reason_cli.cli import jobs
    from reason_cli.cli.display import TerminalReporter, out, show_next
    from reason_cli.cli.evaluations import asked_of, settings_of
    from reason_cli.engine import export as engine
    from reason_cli.engine.chat import Template
    from reason_cli.engine.hardware import threads

    switchboard, output = board(ctx), output or beside(checkpoint, exporter.name)
    found = _found(exporter, checkpoint, output, force)
    base = [*settings_of(switchboard, found), EXACT]
    settings, choice = options.resolve_settings(switchboard, ctx, base, tables={TABLE: exporter.Options})
    _check_whole(found, choice, checkpoint)
    subject = jobs.subject(switchboard, settings, choice, found)
    architecture = choice.architecture if found.run else switchboard.architecture_of_type(found.model_type)
    asked = asked_of({path: value for layer in base for path, value in layer.values.items()})
    source = engine.exportable(subject, architecture, found, _tables(settings), asked)
    made: Any = settings.make(exporter.Options, TABLE)
    record = engine.export(
        exporter,
        source,
        output,
        made,
        Template.of(settings),
        TerminalReporter(),
        threads=settings["hardware.threads"].value or threads(),
        force=force,
    )
    if as_json:
        click.echo(json.dumps({"output": str(output), **record}, indent=2, ensure_ascii=False))
    else:
        out.print(told(output, record))
    published = exporter.publish(output, made)
    if as_json:
        return
    if published:
        out.print(published)
    show_next(found.learned, output)


def told(output: Path, record: dict[str, Any]) -> str:
    """What a person wants to know of an artefact."""
    parity = record["parity"]
    return (
        f"{output}: {record['format']}, {record['precision']}, {record['bytes'] / 2**20:,.1f} MiB\n"
        f"logits differ by {parity['largest_difference']:.2g} at most ({parity['allowed_difference']:.2g} is allowed), "
        f"{parity['token_agreement']:.1%} of {parity['tokens']} tokens are the same"
    )


def _found(exporter: Exporter, checkpoint: Path, output: Path, force: bool) -> Checkpoint:
    """What is to be exported; what cannot be is refused before torch, and a model, are loaded in vain."""
    from reason_cli.engine import export as engine
    from reason_cli.engine.subject import fetch

    engine.check_installed(exporter)
    found = Checkpoint.find(checkpoint)
    if found.artefact:
        hint = f"export the checkpoint that {found.path / ARTEFACT} names"
        raise ReasonError(f"{found.path} is an export already, in {found.artefact['format']}", hint, usage=True)
    engine.check_place(output, engine.sources(found.path, found.run.path if found.run else ""), force)
    return fetch(found)


def _check_whole(found: Checkpoint, choice: ArchitectureChoice, checkpoint: Path) -> None:
    if not choice.architecture.whole(found.path):
        raise ReasonError(
            f"{checkpoint} rests on a base",
            f"merge it with `reason merge --checkpoint {checkpoint}`, and export {beside(checkpoint, 'merged')}",
            usage=True,
        )


def _tables(settings: Settings) -> dict[str, Any]:
    values, _ = settings.as_tables()
    return values
