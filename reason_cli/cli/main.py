"""The `reason` command: finds subcommands, built in and of plugins, and turns errors into one line each."""

from __future__ import annotations

import importlib
import io
import os
import sys
import traceback
from typing import Any

import click

from reason_cli import __version__
from reason_cli.engine import failures, launch, processes
from reason_cli.errors import ReasonError, did_you_mean, first_line
from reason_cli.plugins import Switchboard, build_switchboard

# Each is a module of this package with a command in it. The first lines of their help stand here too, so that
# `reason --help` need not import them; a test holds the two together.
BUILTIN = {
    "train": "Train a model and write a run directory.",
    "eval": "Generate answers to a dataset's questions and grade them.",
    "chat": "Ask a checkpoint, and read its answers as it writes them.",
    "plan": "Show which presets can be trained here, or on a profile's card.",
    "grade": "Grade the answers of any tool, without a model.",
    "merge": "Merge an adapter into its base: one model that needs no other.",
    "export": "Write a checkpoint in another format, proven to say the same.",
    "compare": "Compare two evaluations of the same questions: did it get better?",
    "data": "List, show and check datasets before anything is trained on them.",
    "plugins": "List plugins: what each provides, and how it fared.",
    "profiles": "List profiles, or show one: what it extends and what it sets.",
}
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


class Reason(click.Group):
    """Dispatches to built-in commands and, as to its own, to those of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*BUILTIN, *board(ctx).names("command")]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in BUILTIN:
            return getattr(importlib.import_module(f"reason_cli.cli.{name}"), f"{name}_command")
        return board(ctx).command(name) if name in board(ctx).names("command") else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        plugins = [(str(c.name), c.get_short_help_str(limit=80)) for c in board(ctx).commands()]
        rows = [*BUILTIN.items(), *sorted(plugins)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-"):
            hint = f"{did_you_mean(args[0], known)}`reason --help` lists them"
            raise ReasonError(f"unknown command '{args[0]}'", hint, usage=True)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> None:
        """Run the command; what its function returns is not an exit code."""
        super().invoke(ctx)


def board(ctx: click.Context) -> Switchboard:
    """The switchboard of this invocation, built when it is first asked for."""
    root = ctx.find_root()
    if not isinstance(root.obj, Switchboard):
        root.obj = build_switchboard(builtin_commands=BUILTIN)
        for plugin in root.obj.failures:
            why = plugin.status.removeprefix("FAILED: ")
            click.echo(f"warning: plugin '{plugin.name}' is left out: {why}", err=True)
    return root.obj


@click.group(
    cls=Reason,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="reason %(version)s")
@click.pass_context
def reason(ctx: click.Context) -> None:
    """Train, evaluate and export small reasoning language models on one GPU, or on a CPU.

    First try: reason train --profile quickstart
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: list[str] | None = None) -> None:
    """Run `reason` and exit: 0 done, 1 failed, 2 wrong usage. A bug keeps its traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal or pipe that cannot show a bar still gets the figures
    # Threads that wait for work sleep instead of spinning: on a shared core a spinning thread keeps the one it waits
    # for from running, and training slows down tenfold. OpenMP reads this when torch is loaded, so it is set first.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    processes.adopt_slurm(os.environ)
    if processes.count() > 1:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # each process would warn of the same
        launch.end_with_parent()
    try:
        code = reason.main(arguments, prog_name="reason", standalone_mode=False)
    except ReasonError as error:
        code = _complain(str(error), WRONG_USAGE if error.usage else FAILED)
    except click.UsageError as error:
        where = f"; `{error.ctx.command_path} --help` shows how it is used" if error.ctx else ""
        code = _complain(f"{_lower(error.format_message())}{where}", WRONG_USAGE)
    except click.ClickException as error:
        code = _complain(_lower(error.format_message()), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        code = _complain("interrupted", INTERRUPTED)
    except Exception as error:
        if processes.is_loss_of_another(error):
            code = _complain(f"lost the other processes of the run: {first_line(error)}", FAILED, lost=True)
        elif failures.leave_record(f"rank {processes.place().rank}: {traceback.format_exc()}", FAILED):
            code = FAILED
        else:
            raise
    sys.exit(code if isinstance(code, int) else 0)


def _complain(text: str, code: int, *, lost: bool = False) -> int:
    """Show an error in one line; one of several processes of a run tells the one that began it instead."""
    line = f"error: {' '.join(text.split())}"
    if not failures.leave_record(line, code, lost=lost):
        rank = processes.place().rank
        click.echo(f"rank {rank}: {line}" if rank else line, err=True)
    return code


def _lower(text: str) -> str:
    return (text[:1].lower() + text[1:]).rstrip(".")
