"""`reason data`: what datasets there are, what is learned of one, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reason_cli.cli import options
from reason_cli.cli.main import board
from reason_cli.config import SourceOptions
from reason_cli.errors import ReasonError
from reason_cli.plugins import Switchboard

if TYPE_CHECKING:
    from reason_cli.api import DatasetFormatter, Hub
    from reason_cli.config import Settings
    from reason_cli.engine.inspection import Inspector
    from reason_cli.engine.sources import Source
    from reason_cli.plugins import ArchitectureChoice

KEYS = (
    *("model.arch", "model.tokenizer", "data.text_column"),
    *("data.style", "data.reasoning", "data.system_prompt", "data.prefill"),
)


@click.group("data")
def data_command() -> None:
    """List, show and check datasets before anything is trained on them."""


@data_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_command(ctx: click.Context, as_json: bool) -> None:
    """List the datasets that have a name; any file, folder and hub id is one too."""
    listed = [_listed(formatter) for formatter in sorted(board(ctx).datasets(), key=lambda d: d.name)]
    if as_json:
        click.echo(json.dumps(listed, indent=2))
        return

    from reason_cli.cli.display import out, table

    rows = [
        (one["name"], f"{one['help']}\n{one['rows_from']}", ", ".join(one["splits"]), one["extractor"])
        for one in listed
    ]
    out.print(table("dataset", "what it is, and where its rows are", "splits", "graded by", rows=rows))


def _listed(formatter: DatasetFormatter) -> dict:
    hub: Hub | None = formatter.hub
    place = hub.id if hub else "any file, folder or hub id" if formatter.universal else "made on the spot"
    return {
        "name": formatter.name,
        "rows_from": place + (f" ({hub.config})" if hub and hub.config else ""),
        "splits": [] if formatter.universal else [*formatter.splits, *formatter.parts],
        "columns": list(formatter.columns),
        "extractor": formatter.extractor,
        "benchmark": formatter.benchmark,
        "help": formatter.help,
    }


@data_command.command("show", cls=options.SettingsCommand, keys=KEYS)
@click.argument("spec")
@click.option("-n", "count", default=5, show_default=True, type=click.IntRange(1), help="Examples to show.")
@click.pass_context
def show_command(ctx: click.Context, spec: str, count: int) -> None:
    """Show examples as they are trained on: learned tokens in colour, given ones dim.

    SPEC is NAME[:SPLIT][@N], a file, a folder or a hub id.
    """
    from reason_cli.cli.data_view import show_rows
    from reason_cli.engine.inspection import show

    switchboard = board(ctx)
    settings, choice = options.resolve_settings(switchboard, ctx)
    (source,) = _sources(switchboard, settings, [spec])
    inspector = _inspector(switchboard, settings, choice, search=False)
    show_rows(show(inspector, source, count), inspector.max_seq_len)


@data_command.command("check", cls=options.SettingsCommand, keys=(*KEYS, "eval.extractor"))
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--output", type=click.Path(path_type=Path), help="Also write the JSON to this file.")
@click.pass_context
def check_command(ctx: click.Context, specs: tuple[str, ...], as_json: bool, output: Path | None) -> None:
    """Read every row and report what is wrong with it, and what several sources share.

    SPEC is NAME[:SPLIT][@N], a file, a folder or a hub id; the split is the dataset's first unless named. Exits with 1
    when a source could not be trained on.
    """
    from reason_cli.cli.data_view import show_checks
    from reason_cli.engine.inspection import check

    switchboard = board(ctx)
    settings, choice = options.resolve_settings(switchboard, ctx)
    sources = _sources(switchboard, settings, specs)
    named = settings["eval.extractor"].value
    extractors = [switchboard.extractor(named or source.formatter.extractor) for source in sources]
    inspector = _inspector(switchboard, settings, choice, search=True)
    checks, overlaps = check(inspector, sources, extractors)
    text = json.dumps(
        {"sources": [asdict(one) for one in checks], "overlaps": [asdict(one) for one in overlaps]},
        indent=2,
        ensure_ascii=False,
    )
    if as_json:
        click.echo(text)
    else:
        show_checks(checks, overlaps, inspector)
    if output:
        _write(output, text + "\n")
    if not all(one.usable for one in checks):
        ctx.exit(1)


def _write(output: Path, text: str) -> None:
    from reason_cli.runs import write_text

    try:
        write_text(output, text)
    except OSError as error:
        raise ReasonError(f"cannot write {output}: {error.strerror}", "choose another --output") from None


def _sources(switchboard: Switchboard, settings: Settings, specs: Sequence[str]) -> list[Source]:
    from reason_cli.cli import jobs

    sources = [jobs.source(switchboard, settings, SourceOptions(spec), "") for spec in specs]
    jobs.check_text_column(settings, sources)
    return sources


def _inspector(switchboard: Switchboard, settings: Settings, choice: ArchitectureChoice, *, search: bool) -> Inspector:
    from reason_cli.cli import jobs
    from reason_cli.cli.display import TerminalReporter
    from reason_cli.engine.chat import Template
    from reason_cli.engine.cleaning import benchmarks
    from reason_cli.engine.inspection import Inspector
    from reason_cli.engine.report import hush_libraries

    hush_libraries()
    model_options = settings.make(choice.architecture.Options, "model")
    return Inspector(
        tokenizer=settings["model.tokenizer"].value or choice.architecture.tokenizer(model_options),
        template=Template.of(settings),
        max_seq_len=model_options.max_seq_len,
        seed=settings["train.seed"].value,
        known=benchmarks(jobs.benchmark_sources(switchboard, settings) if search else (), online=False),
        report=TerminalReporter(),
    )
