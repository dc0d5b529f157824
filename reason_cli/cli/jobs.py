"""From settings to the objects that the engine works with: names are looked up here, and nowhere below."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli import __version__, profiles
from reason_cli.api import Architecture, DatasetFormatter, Hub
from reason_cli.cli import options
from reason_cli.config import (
    NO_WEIGHT,
    DataOptions,
    EvalOptions,
    HardwareOptions,
    Layer,
    Settings,
    SourceOptions,
    TrainOptions,
)
from reason_cli.errors import ReasonError, did_you_mean
from reason_cli.plugins import ArchitectureChoice, Switchboard
from reason_cli.runs import RUN_SOURCE, Checkpoint, Run

if TYPE_CHECKING:
    from reason_cli.engine.evaluate import Task
    from reason_cli.engine.job import TrainJob
    from reason_cli.engine.sources import Source
    from reason_cli.engine.subject import Subject


def run_layer(board: Switchboard, run: Run) -> Layer:
    """A run's own settings, to go on with or to evaluate under."""
    profile = profiles.find(str(run.settings_file))
    return Layer.nested(f"{RUN_SOURCE}{run.path.name}", profile.settings, options.core_schema(board))


def train_job(board: Switchboard, settings: Settings, choice: ArchitectureChoice) -> TrainJob:
    """The training job of resolved settings. Raises `ReasonError` for a dataset that is not there."""
    from reason_cli.engine.job import TrainJob

    data = settings.make(DataOptions, "data")
    asked = data.sources or tuple(SourceOptions(text) for text in data.dataset)
    if not asked:
        raise ReasonError("there is no dataset to train on", "name one with --dataset", usage=True)
    _check_weights(asked)
    sources = tuple(source(board, settings, item, "train") for item in asked)
    check_text_column(settings, sources)
    model_options = settings.make(choice.architecture.Options, "model")
    after = settings["eval.after_training"].value
    return TrainJob(
        architecture=choice.architecture,
        options=model_options,
        tokenizer=settings["model.tokenizer"].value or choice.architecture.tokenizer(model_options),
        sources=sources,
        validation=tuple(source(board, settings, SourceOptions(text), "test") for text in data.validation),
        benchmarks=(*benchmark_sources(board, settings), *(task.source for task in tasks(board, settings, after))),
        data=data,
        train=settings.make(TrainOptions, "train"),
        eval=settings.make(EvalOptions, "eval"),
        hardware=settings.make(HardwareOptions, "hardware"),
        settings=settings,
        version=__version__,
        extractor=board.extractor(settings["eval.extractor"].value or sources[0].formatter.extractor),
    )


def _check_weights(asked: Sequence[SourceOptions]) -> None:
    weights = [item.weight for item in asked if item.weight != NO_WEIGHT]
    if len(weights) == len(asked) and not sum(weights):
        raise ReasonError("the weights of data.sources add up to zero", "give at least one a weight over 0", usage=True)


def source(board: Switchboard, settings: Settings, asked: SourceOptions, default_split: str) -> Source:
    """The rows that a table of `[[data.sources]]`, or `NAME[:SPLIT][@N]` alone, stands for."""
    from reason_cli.engine.sources import Request, Spec, make_source

    spec = Spec.parse(asked.dataset)
    spec = Spec(spec.name, spec.split or asked.split, spec.take or asked.take)
    formatter, place = _formatter(board, spec.name, asked.format)
    fallback = source(board, settings, SourceOptions(asked.fallback), default_split) if asked.fallback else None
    read_by = _formatter_options(settings, formatter, asked.columns or {})
    request = Request(spec, formatter, read_by, place, asked.weight, fallback)
    return make_source(request, default_split, options.data_folder())


def _formatter(board: Switchboard, name: str, format: str) -> tuple[DatasetFormatter, Path | Hub | None]:
    """Who reads the rows of a name, and where they are when the name itself says so."""
    from reason_cli.engine.sources import place_of

    if format:
        place = place_of(name)
        if place is None:
            raise ReasonError(f"'{name}' is neither a file nor a hub id", "leave `format` out", usage=True)
        return board.dataset(format), place
    known = board.find_dataset(name)
    if known is not None:
        return known, None
    place = place_of(name)
    return (board.universal_dataset(), place) if place is not None else (board.dataset(name), None)


def _formatter_options(settings: Settings, formatter: DatasetFormatter, columns: Mapping[str, str]) -> Any:
    """A formatter's options: those of `[data.NAME]`, and over them what was said of this source alone."""
    made: Any = settings.make(formatter.Options, f"data.{formatter.name}")
    names = [field.name for field in dataclasses.fields(formatter.Options)]
    text_column = settings["data.text_column"].value
    given = {"text_column": text_column} if text_column and "text_column" in names else {}
    given |= columns
    for name in given:
        if name not in names:
            takes = ", ".join(names) or "none"
            raise ReasonError(
                f"'{formatter.name}' has no option '{name}'", f"{did_you_mean(name, names)}it takes {takes}", usage=True
            )
    return dataclasses.replace(made, **given)


def check_text_column(settings: Settings, sources: Sequence[Source]) -> None:
    """Refuse `--text-column` where every source has columns of its own: it would be read by nothing."""
    setting = settings["data.text_column"]
    asked = setting.value and setting.source == options.COMMAND_LINE
    if asked and not any(hasattr(source.options, "text_column") for source in sources):
        labels = ", ".join(source.label for source in sources)
        raise ReasonError(
            f"text_column is for files and hub ids; {labels} has columns of its own", "leave it out", usage=True
        )


def benchmark_sources(board: Switchboard, settings: Settings) -> tuple[Source, ...]:
    """The test splits of the datasets that models are compared by."""
    names = [formatter.name for formatter in board.datasets() if formatter.benchmark]
    return tuple(source(board, settings, SourceOptions(name), "test") for name in names)


def tasks(board: Switchboard, settings: Settings, specs: tuple[str, ...]) -> list[Task]:
    """What to grade on; a dataset's `test` split unless its spec names another.

    Shots come from its `train` split, or where it has none from the rows themselves.
    """
    from reason_cli.engine.evaluate import Task

    made = []
    for text in specs:
        asked = source(board, settings, SourceOptions(text), "test")
        trains = asked.split and "train" in asked.formatter.splits
        shots = source(board, settings, SourceOptions(f"{asked.spec.name}:train"), "train") if trains else asked
        made.append(Task(asked, shots, board.extractor(settings["eval.extractor"].value or asked.formatter.extractor)))
    return made


def subject(board: Switchboard, settings: Settings, choice: ArchitectureChoice, checkpoint: Checkpoint) -> Subject:
    """The model to grade, loaded: by its architecture, or without a run perhaps as any causal model is.

    What was exported runs in what it was exported for. Raises `ReasonError` for another `eval.backend`.
    """
    from reason_cli.engine import exported_backend, vllm_backend
    from reason_cli.engine.subject import load_pretrained, load_subject

    hardware = settings.make(HardwareOptions, "hardware")
    trained_on = checkpoint.run.read_record()["run"].get("data", ()) if checkpoint.run else ()
    artefact = checkpoint.artefact
    backend = _backend(board, settings, checkpoint, artefact.get("backend", ""))
    if artefact:
        loaded = exported_backend.load(board.exporter(artefact["format"]), checkpoint.path, artefact, hardware)
    elif backend == "vllm":
        loaded = vllm_backend.load(checkpoint.path, hardware, seed=settings["eval.eval_seed"].value)
    elif not checkpoint.run and recognised(board, checkpoint) is None:
        loaded = load_pretrained(checkpoint.path, hardware)
    else:
        model_options = settings.make(choice.architecture.Options, "model")
        loaded = load_subject(choice.architecture, model_options, hardware, checkpoint.path)
    return dataclasses.replace(loaded, checkpoint=checkpoint.name, trained_on=trained_on)


def _backend(board: Switchboard, settings: Settings, checkpoint: Checkpoint, own: str) -> str:
    """What generates. `own` is what an exported model runs in. Raises `ReasonError` where that cannot be."""
    asked = str(settings["eval.backend"].value)
    exporters = {exporter.backend: exporter.name for exporter in board.exporters() if exporter.backend}
    known = ["auto", "torch", "vllm", *exporters]
    if asked not in known:
        hint = f"{did_you_mean(asked, known)}it takes {', '.join(known)}"
        raise ReasonError(f"unknown backend '{asked}'", hint, usage=True)
    if asked in ("auto", own):
        return own or "torch"
    if own:
        raise ReasonError(
            f"{checkpoint.name} runs in {own}, not in {asked}", f"use --backend {own} or auto", usage=True
        )
    if asked in exporters:
        problem = f"{checkpoint.name} is no model that was exported for {asked}"
        raise ReasonError(
            problem, f"`reason export {exporters[asked]} --checkpoint {checkpoint.name}` makes one", usage=True
        )
    return asked


def recognised(board: Switchboard, folder: Checkpoint) -> Architecture | None:
    """The architecture that loads a folder without a run; `None`: it is loaded as any causal model is."""
    architecture = board.architecture_of_type(folder.model_type)
    return None if architecture is None or architecture.stock else architecture


def plain(value: Any) -> str:
    """A setting's value as one would write it on a command line."""
    if isinstance(value, tuple):
        return ",".join(item.dataset if isinstance(item, SourceOptions) else item for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
