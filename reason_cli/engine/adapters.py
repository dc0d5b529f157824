"""Adapters in peft's layout on models of transformers: which weights are theirs, and loading them again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli.engine.identity import same_model
from reason_cli.errors import ReasonError
from reason_cli.quiet import quiet
from reason_cli.runs import ADAPTER

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

WEIGHTS = "adapter_model.safetensors"


def is_adapted(model: Any) -> bool:
    """Whether a model carries an adapter, and saves that alone."""
    return bool(getattr(model, "_hf_peft_config_loaded", False))


def weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """The adapter's tensors by the names under which a checkpoint has them."""
    with quiet():  # peft remarks that tokens were added
        return {f"base_model.model.{name}": tensor for name, tensor in model.get_adapter_state_dict().items()}


def check_base(model: PreTrainedModel, folder: Path) -> None:
    """Raises `ReasonError` when the adapter of a checkpoint was trained on another base than the model is."""
    own = json.loads((folder / ADAPTER).read_text(encoding="utf-8")).get("base_model_name_or_path")
    if own and not same_model(own, str(model.name_or_path)):
        raise ReasonError(
            f"the adapter {folder} was trained on {own}, not on {model.name_or_path}",
            "name its base with --set model.base=…",
            usage=True,
        )


def load(model: PreTrainedModel, folder: Path) -> None:
    """Take an adapter's weights from a checkpoint into the one that the model carries."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    saved = load_file(folder / WEIGHTS)
    bare = {name.removeprefix("base_model.model."): tensor for name, tensor in saved.items()}
    set_peft_model_state_dict(model, bare)
