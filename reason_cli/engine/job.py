"""What a training run is made of: the job as resolved, and its data and model once they are ready."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reason_cli.api import Architecture, ArchitectureOptions, Example, Text
from reason_cli.config import DataOptions, EvalOptions, HardwareOptions, Settings, TrainOptions
from reason_cli.engine.data import TokenDataset
from reason_cli.engine.hardware import Precision
from reason_cli.engine.sources import Source

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class TrainJob:
    """All that a run is made of; every name is already an object."""

    architecture: Architecture
    options: ArchitectureOptions
    tokenizer: str
    sources: tuple[Source, ...]
    data: DataOptions
    train: TrainOptions
    eval: EvalOptions
    hardware: HardwareOptions
    settings: Settings
    version: str


@dataclass
class Prepared:
    """A job's data and model, ready to train."""

    tokenizer: PreTrainedTokenizerBase
    rows: TokenDataset
    held_out_rows: TokenDataset | None
    held_out: list[Example | Text]
    model: PreTrainedModel
    device: torch.device
    precision: Precision
    facts: dict[str, Any] = field(default_factory=dict)
