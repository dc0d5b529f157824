"""From settings to the objects that the engine works with: names are looked up here, and nowhere below."""

from __future__ import annotations

from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli import __version__, profiles
from reason_cli.cli import options
from reason_cli.cli.display import TerminalReporter, show_evaluation
from reason_cli.config import DataOptions, EvalOptions, HardwareOptions, Layer, Settings, TrainOptions
from reason_cli.errors import ReasonError
from reason_cli.plugins import ArchitectureChoice, Switchboard
from reason_cli.runs import RUN_SOURCE, Checkpoint, Run

if TYPE_CHECKING:
    from reason_cli.engine.evaluate import Evaluation, Subject, Task
    from reason_cli.engine.job import TrainJob
    from reason_cli.engine.sources import Source


def run_layer(board: Switchboard, run: Run) -> Layer:
    """A run's own settings, to go on with or to evaluate under."""
    profile = profiles.find(str(run.settings_file))
    return Layer.nested(f"{RUN_SOURCE}{run.path.name}", profile.settings, options.core_schema(board))


def train_job(board: Switchboard, settings: Settings, choice: ArchitectureChoice) -> TrainJob:
    """The training job of resolved settings. Raises `ReasonError` for a dataset that is not there."""
    from reason_cli.engine.job import TrainJob

    data = settings.make(DataOptions, "data")
    if not data.dataset:
        raise ReasonError("there is no dataset to train on", "name one with --dataset", usage=True)
    model_options = settings.make(choice.architecture.Options, "model")
    return TrainJob(
        architecture=choice.architecture,
        options=model_options,
        tokenizer=settings["model.tokenizer"].value or choice.architecture.tokenizer(model_options),
        sources=tuple(source(board, settings, text, "train") for text in data.dataset),
        data=data,
        train=settings.make(TrainOptions, "train"),
        eval=settings.make(EvalOptions, "eval"),
        hardware=settings.make(HardwareOptions, "hardware"),
        settings=settings,
        version=__version__,
    )


def source(board: Switchboard, settings: Settings, text: str, default_split: str) -> Source:
    """The rows that `NAME[:SPLIT][@N]` stands for."""
    from reason_cli.engine.sources import Spec, make_source

    spec = Spec.parse(text)
    formatter = board.dataset(spec.name)
    formatter_options: Any = settings.make(formatter.Options, f"data.{formatter.name}")
    return make_source(spec, formatter, formatter_options, default_split, options.data_folder())


def tasks(board: Switchboard, settings: Settings, specs: tuple[str, ...]) -> list[Task]:
    """What to grade on; a dataset's `test` split unless its spec names another."""
    from reason_cli.engine.evaluate import Task

    extractor = settings["eval.extractor"].value
    sources = [source(board, settings, text, "test") for text in specs]
    return [Task(s, board.extractor(extractor or s.formatter.extractor)) for s in sources]


def subject(board: Switchboard, settings: Settings, choice: ArchitectureChoice, checkpoint: Checkpoint) -> Subject:
    """The model to grade, loaded."""
    from reason_cli.engine.evaluate import load_subject

    model_options = settings.make(choice.architecture.Options, "model")
    hardware = settings.make(HardwareOptions, "hardware")
    return load_subject(choice.architecture, model_options, hardware, checkpoint.path)


def evaluate_all(
    settings: Settings, subject: Subject, task_list: list[Task], root: Path, report: TerminalReporter, show: bool
) -> list[Evaluation]:
    """Grade on each task, into a folder of its own below `root`."""
    from reason_cli.engine.evaluate import evaluate

    eval_options = settings.make(EvalOptions, "eval")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReasonError(f"cannot make {root}: {error.strerror}", "choose another --output") from None
    done = []
    for task in task_list:
        folder = _new_folder(root, task.folder_name)
        prompt = settings["data.system_prompt"].value
        done.append(evaluate(subject, task, eval_options, prompt, folder, report))
        if show:
            show_evaluation(done[-1].results)
    return done


def _new_folder(root: Path, name: str) -> Path:
    """A folder that is not there yet, named after the time; a second one of the same second gets a number."""
    stamped = root / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    more = (stamped.with_name(f"{stamped.name}-{n}") for n in count(2))
    return next(folder for folder in chain([stamped], more) if not folder.exists())


def plain(value: Any) -> str:
    """A setting's value as one would write it on a command line."""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
