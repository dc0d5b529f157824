"""`reason train`: settings to a run directory, or with `--dry-run` to a plan."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reason_cli.cli import options
from reason_cli.cli.beginning import begun_with
from reason_cli.cli.main import board
from reason_cli.config import Layer
from reason_cli.plugins import Switchboard
from reason_cli.runs import RUN_SOURCE, Checkpoint, Run

if TYPE_CHECKING:
    import torch

SOLVED = 3  # examples shown after an evaluation at the end of training


@click.command("train", cls=options.SettingsCommand, tables=("model", "data", "train", "hardware"))
@click.option("--output", type=click.Path(path_type=Path), help="The run directory to make. [runs/ARCH-DATASET-TIME]")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with this run from its newest checkpoint.")
@click.option(
    "--nproc",
    type=click.IntRange(min=1),
    metavar="N",
    help="Train in so many processes on this host: one per GPU, or on the CPU.",
)
@click.option("--dry-run", is_flag=True, help="Print every setting with its source, and what it takes; train nothing.")
@click.pass_context
def train_command(
    ctx: click.Context, output: Path | None, resume: Path | None, nproc: int | None, dry_run: bool
) -> None:
    """Train a model and write a run directory.

    Settings come from flags, REASON_TABLE_KEY variables, profiles, the architecture's preset and defaults,
    in this order. `reason train --dry-run` shows each with where it came from.
    """
    from reason_cli.cli import jobs

    if output and resume:
        raise click.UsageError("--resume goes on in the run's own directory; leave --output out", ctx)
    switchboard = board(ctx)
    run = Run.open(resume) if resume else None
    base = _resumed(switchboard, ctx, run) if run else begun_with(switchboard, ctx)
    settings, choice = options.resolve_settings(switchboard, ctx, base)
    job = jobs.train_job(switchboard, settings, choice)
    tasks = jobs.tasks(switchboard, settings, job.eval.after_training)
    if dry_run:
        from reason_cli.cli.dry_run import show_plan

        return show_plan(job)

    from reason_cli.cli.display import TerminalReporter, show_samples
    from reason_cli.engine import processes
    from reason_cli.engine.hardware import pick_device
    from reason_cli.engine.prepare import check
    from reason_cli.engine.resume import newest_checkpoint
    from reason_cli.engine.train import train

    _check_launched(ctx, nproc)
    device = pick_device(job.hardware, settings["hardware.device"].source)
    check(job, device, nproc or 1)  # before a run directory is made in vain
    checkpoint = newest_checkpoint(run) if run else None
    path = output or _new_path(settings["model.arch"].value, job.sources[0].spec.name)
    if nproc and nproc > 1 and processes.count() == 1:
        return _launch(ctx, nproc, device, run, path)
    report, first = TerminalReporter(), processes.is_first()
    with processes.joined(device):
        run = run or Run(processes.agreed(lambda: Run.create(path).path))
        trained = train(job, run, report, checkpoint)
    if not first:
        return  # well, even if the run was stopped: the first says so, and torchrun ends all when one fails
    if trained.stopped_by:
        report.say(f"stopped by {trained.stopped_by} at step {trained.step:,}, saved: {_resumption(run, nproc)}")
        ctx.exit(1)
    _conclude(run)
    if tasks:
        from reason_cli.cli import evaluations

        subject = jobs.subject(switchboard, settings, choice, Checkpoint.find(run.path))
        done = evaluations.grade_on(settings, subject, tasks, run.path / "eval", report, show=True)
        show_samples([s for e in done[:1] for s in e.samples if s.correct], SOLVED)
    graded = trained.asks and job.train.method != "dpo"  # whose rows have no answer to compare with
    _next_steps(run, job.sources[0].spec.name if graded else "", trained.asks)


def _resumption(run: Run, nproc: int | None) -> str:
    return f"reason train --resume {run.path}" + (f" --nproc {nproc}" if nproc else "")


def _check_launched(ctx: click.Context, nproc: int | None) -> None:
    """`--nproc` begins processes; one that was begun already, by torchrun for one, is among as many as there are."""
    from reason_cli.engine.processes import count

    if nproc and count() > 1 and nproc != count():
        raise click.UsageError(f"this is one of {count()} processes already; leave --nproc out", ctx)


def _launch(ctx: click.Context, nproc: int, device: torch.device, run: Run | None, path: Path) -> None:
    """Have so many processes do what this command line says, in a run directory that all know beforehand."""
    from reason_cli.engine.launch import launch

    given = [] if run else ["--output", str(path)]
    ended = launch(["train", *ctx.meta[options.ARGUMENTS], *given], nproc, device, run or Run(path))
    if ended.text:
        click.echo(ended.text, err=True)
    ctx.exit(ended.code)


def _resumed(switchboard: Switchboard, ctx: click.Context, run: Run) -> list[Layer]:
    """The settings of the run that is gone on with; its precision as found then, not found out anew."""
    from reason_cli.cli import jobs

    if options.asked(switchboard, ctx, "train.init_from"):
        raise click.UsageError("--resume goes on with the run's own weights; leave --init-from out", ctx)
    precision = run.read_record()["run"]["precision"]
    return [jobs.run_layer(switchboard, run), Layer(f"{RUN_SOURCE}{run.path.name}", {"hardware.precision": precision})]


def _new_path(arch: str, dataset: str) -> Path:
    name = f"{arch}-{Path(dataset).stem}-{datetime.now():%Y%m%d-%H%M%S}"
    return Path("runs") / name.replace("/", "-")


def _conclude(run: Run) -> None:
    """How the loss went, and where everything is."""
    import json

    from reason_cli.cli.display import curve, out

    lines = [json.loads(line) for line in run.metrics.read_text(encoding="utf-8").splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    if losses:
        out.print(f"loss {losses[0]:.3g} {curve(losses)} {losses[-1]:.3g}")
    out.print(f"run: [bold]{run.path}[/]")


def _next_steps(run: Run, dataset: str, chats: bool) -> None:
    """What to type next; `dataset` is empty where there is nothing to be graded on, `chats` is off for plain text."""
    from reason_cli.cli.display import out

    out.print("\nnext:")
    if dataset:
        out.print(f"  reason eval {dataset} --checkpoint {run.path}")
    if chats:
        out.print(f"  reason chat --checkpoint {run.path}")
    out.print(f"  tensorboard --logdir {run.tensorboard}")
