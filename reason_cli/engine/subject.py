"""What is evaluated: a checkpoint's model on its device, with its tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.api import Architecture
from reason_cli.config import HardwareOptions
from reason_cli.engine import tokenizers
from reason_cli.engine.hardware import Precision, pick_device, pick_precision
from reason_cli.engine.report import hush_libraries
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Subject:
    """What is graded: a loaded model with its tokenizer, how it is run, and what `run.toml` says of its data."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    precision: Precision
    checkpoint: str
    trained_on: Sequence[Mapping[str, Any]] = ()


def load_subject(
    architecture: Architecture,
    options: Any,
    hardware: HardwareOptions,
    path: Path,
    trained_on: Sequence[Mapping[str, Any]] = (),
) -> Subject:
    """A checkpoint's model on its device, with its tokenizer. On a CPU `auto` is float32.

    Raises `ReasonError` when the weights cannot be read.
    """
    from safetensors import SafetensorError

    hush_libraries()
    device = pick_device(hardware)
    tokenizer = tokenizers.load(str(path))
    try:
        model = architecture.load(path, options).to(device).eval()  # type: ignore[arg-type]
    except (OSError, SafetensorError) as error:
        raise ReasonError(f"cannot load the weights in {path}: {error}", "pass another checkpoint") from None
    return Subject(model, tokenizer, pick_precision(hardware.precision, device), str(path), trained_on)
