"""Adapters in peft's layout on models of transformers: which weights are theirs, and loading them again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

WEIGHTS = "adapter_model.safetensors"


def is_adapted(model: Any) -> bool:
    """Whether a model carries an adapter, and saves that alone."""
    return bool(getattr(model, "_hf_peft_config_loaded", False))


def weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """The adapter's tensors by the names under which a checkpoint has them."""
    return {f"base_model.model.{name}": tensor for name, tensor in model.get_adapter_state_dict().items()}


def load(model: PreTrainedModel, folder: Path) -> None:
    """Take an adapter's weights from a checkpoint into the one that the model carries."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    saved = load_file(folder / WEIGHTS)
    bare = {name.removeprefix("base_model.model."): tensor for name, tensor in saved.items()}
    set_peft_model_state_dict(model, bare)
