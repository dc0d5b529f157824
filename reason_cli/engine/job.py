"""What a training run is made of: the job as resolved."""

from __future__ import annotations

from dataclasses import dataclass

from reason_cli.api import AnswerExtractor, Architecture, ArchitectureOptions
from reason_cli.config import DataOptions, EvalOptions, HardwareOptions, Settings, TrainOptions
from reason_cli.engine.sources import Source


@dataclass(frozen=True)
class TrainJob:
    """All that a run is made of; every name is already an object.

    `validation` are the sources that watch the loss, if they are not held out of the training rows; `benchmarks`
    those whose questions the training rows are searched for. `extractor` grades the held-out questions.
    """

    architecture: Architecture
    options: ArchitectureOptions
    tokenizer: str
    sources: tuple[Source, ...]
    validation: tuple[Source, ...]
    benchmarks: tuple[Source, ...]
    data: DataOptions
    train: TrainOptions
    eval: EvalOptions
    hardware: HardwareOptions
    settings: Settings
    version: str
    extractor: AnswerExtractor
