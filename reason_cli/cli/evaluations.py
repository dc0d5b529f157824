"""Evaluations of one checkpoint or of several: settings looked up, work done, figures shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reason_cli.cli import jobs, options
from reason_cli.cli.display import TerminalReporter, show_evaluation, show_together
from reason_cli.config import EvalOptions, Layer, Settings
from reason_cli.errors import ReasonError
from reason_cli.plugins import Switchboard
from reason_cli.runs import Checkpoint, merged_from

if TYPE_CHECKING:
    from reason_cli.engine.evaluate import Task
    from reason_cli.engine.graded import Graded
    from reason_cli.engine.subject import Subject
    from reason_cli.engine.together import Together


ASKED = ("data.", "eval.")  # the tables that say how a model is asked, and what


@dataclass(frozen=True)
class Evaluated:
    """A checkpoint's evaluations, one for each task, in their order."""

    checkpoint: Checkpoint
    tasks: Sequence[Task]
    graded: Sequence[Graded]


def of_checkpoint(
    board: Switchboard,
    ctx: click.Context,
    text: str,
    datasets: tuple[str, ...],
    output: Path | None,
    report: TerminalReporter,
    show: bool,
    named: bool,
) -> Evaluated:
    """Grade what `--checkpoint` names on every dataset; where `named`, whose figures they are is shown."""
    from reason_cli.engine.subject import fetch

    found = fetch(Checkpoint.find(Path(text)))
    settings, choice = options.resolve_settings(board, ctx, settings_of(board, found))
    tasks = jobs.tasks(board, settings, datasets)
    jobs.check_text_column(settings, [task.source for task in tasks])
    root = output or (found.run.path / "eval" if found.run else Path("eval"))
    _make(root)
    subject = jobs.subject(board, settings, choice, found)
    return Evaluated(found, tasks, grade_on(settings, subject, tasks, root, report, show, named))


def grade_on(
    settings: Settings,
    subject: Subject,
    tasks: Sequence[Task],
    root: Path,
    report: TerminalReporter,
    show: bool,
    named: bool = False,
) -> list[Graded]:
    """Grade a loaded model on each task, into a folder of its own below `root`."""
    from reason_cli.engine.chat import Template
    from reason_cli.engine.evaluate import evaluate
    from reason_cli.engine.prompts import prompting

    eval_options = settings.make(EvalOptions, "eval")
    put = prompting(Template.of(settings), eval_options.template, ())
    graded = []
    for task in tasks:
        graded.append(evaluate(subject, task, eval_options, put, root, report))
        if show:
            show_evaluation(graded[-1].results, named)
    return graded


def of_all(done: Sequence[Evaluated], root: Path, show: bool) -> list[Together]:
    """On each dataset: the first checkpoint against every other, and all of them by vote."""
    from reason_cli.engine.journal import new_folder
    from reason_cli.engine.together import together

    _make(root)
    compared = []
    for number, task in enumerate(done[0].tasks):
        folder = new_folder(root, f"{task.folder_name}-compared")
        compared.append(together([one.graded[number] for one in done], task.extractor, folder))
        if show:
            show_together(compared[-1])
    return compared


def places(done: Sequence[Evaluated], compared: Sequence[Together]) -> list[str]:
    """Where everything was written."""
    folders = [*(graded.folder for one in done for graded in one.graded), *(one.folder for one in compared)]
    reports = [folder / "report.html" for folder in folders if (folder / "report.html").is_file()]
    return [*(f"results: {folder}" for folder in folders), *(f"report:  {path}" for path in reports[-1:])]


def _make(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReasonError(f"cannot make {root}: {error.strerror}", "choose another --output") from None


def settings_of(board: Switchboard, found: Checkpoint) -> list[Layer]:
    """The settings of the checkpoint's run; of a bare folder the architecture that it is loaded by, if any, and how it
    was asked in the run that it was merged or exported from. An export does not ask to run where its run was trained.
    """
    artefact = found.artefact
    if found.run and not artefact:
        return [jobs.run_layer(board, found.run)]
    architecture = None if artefact else jobs.recognised(board, found)
    merged = merged_from(found.path)
    own = {"model.arch": architecture.name} if architecture else {}
    asked = asked_of(jobs.run_layer(board, merged).values) if merged else _known(board, found.asked)
    if artefact:
        return [Layer(f"export {found.path.name}", asked)]
    return [Layer(f"checkpoint {found.path.name}", {**asked, **own})] if asked or own else []


def asked_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of settings by their path those that say how a model is asked, and what; not what it runs in."""
    return {path: value for path, value in values.items() if path.startswith(ASKED) and path != "eval.backend"}


def _known(board: Switchboard, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Without the settings of plugins that are not here."""
    known = {key.path for key in options.core_schema(board)}
    return {path: value for path, value in asked.items() if path in known}
