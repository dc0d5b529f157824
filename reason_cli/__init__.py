"""`reason`: train, evaluate and export small reasoning language models.

This is the whole public API for plugins. It never imports torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reason_cli.api import (
    AnswerExtractor,
    Architecture,
    ArchitectureOptions,
    BadRow,
    Chat,
    DatasetFormatter,
    Estimate,
    Example,
    Exportable,
    Exported,
    Exporter,
    Extraction,
    Graph,
    Hub,
    Item,
    Load,
    NoOptions,
    Part,
    RowCache,
    State,
    Text,
    Turn,
    option,
)
from reason_cli.errors import ReasonError
from reason_cli.hookspecs import hookimpl
from reason_cli.quiet import quiet

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

__version__ = "0.1.0"


def calculate(expression: str) -> str | None:
    """The exact value of an arithmetic expression as text, `None` for what is none; never runs it as code."""
    from reason_cli.calculator import evaluate

    return evaluate(expression)


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """The summed next-token cross-entropy of `hidden @ weight.T`, logits never held for all positions at once.

    hidden (m, d) are the positions that are trained, weight (v, d) is the head's, targets (m,) are token ids, -100
    where a position does not count. A scalar, float32 (float64 for float64), with gradients for hidden and weight; its
    backward pass runs once. Under autocast the matrix products are in autocast's dtype and all else in float32.
    """
    from reason_cli import loss

    return loss.linear_cross_entropy(hidden, weight, targets)


def model_folder(base: str) -> Path:
    """The folder of a pretrained model: `base` itself, or OWNER/NAME[@REVISION] of the hub, fetched if it is not here.

    Raises `ReasonError` when it is neither, is not to be had (missing, gated, offline), or has no safetensors weights.
    """
    from reason_cli.engine.subject import folder_of

    name, _, revision = base.partition("@")
    return folder_of(name, revision)


def same_model(one: str, other: str) -> bool:
    """Whether two names, ids of the hub or folders, are of one model; a folder may have moved."""
    from reason_cli.engine import identity

    return identity.same_model(one, other)


__all__ = [
    "AnswerExtractor",
    "Architecture",
    "ArchitectureOptions",
    "BadRow",
    "Chat",
    "DatasetFormatter",
    "Estimate",
    "Example",
    "Exportable",
    "Exported",
    "Exporter",
    "Extraction",
    "Graph",
    "Hub",
    "Item",
    "Load",
    "NoOptions",
    "Part",
    "ReasonError",
    "RowCache",
    "State",
    "Text",
    "Turn",
    "__version__",
    "calculate",
    "hookimpl",
    "linear_cross_entropy",
    "model_folder",
    "option",
    "quiet",
    "same_model",
]
