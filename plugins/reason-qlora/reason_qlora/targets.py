"""Which linear layers of a base get an adapter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reason_cli import ReasonError

if TYPE_CHECKING:
    from torch import nn


def linear_layers(model: Any) -> dict[str, nn.Module]:
    """The linear layers of a model by their full names, the head left out."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, (nn.Linear, Conv1D)) and module is not head
    }


def chosen(model: Any, targets: Sequence[str]) -> list[str]:
    """The full names of the layers whose last name, or whole name, is a target.

    Of the default targets any may be missing; where all are, every linear layer is taken. A name that someone asked
    for must be there. Raises `ReasonError` naming what the base has.
    """
    from reason_qlora.presets import PROJECTIONS

    layers = linear_layers(model)
    found = [name for name in layers if any(name == target or name.endswith(f".{target}") for target in targets)]
    if tuple(targets) == PROJECTIONS or not targets:
        return found or list(layers)
    missing = [target for target in targets if not any(n == target or n.endswith(f".{target}") for n in layers)]
    if missing:
        there = ", ".join(sorted({name.rpartition(".")[2] for name in layers}))
        raise ReasonError(f"the base has no linear layer '{missing[0]}'", f"it has {there}", usage=True)
    return found
