"""Config and weights as transformers writes them, in a type of choice, without a second model in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from reason_cli import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def write(model: PreTrainedModel, folder: Path, dtype: str, code: Mapping[str, str]) -> None:
    """`config.json`, which names the classes of `code`, `generation_config.json` and safetensors."""
    with quiet():
        model.save_pretrained(folder, state_dict=tensors(model, DTYPES[dtype]))
    path = folder / "config.json"
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    config.update({"dtype": str(DTYPES[dtype]).removeprefix("torch."), "architectures": [type(model).__name__]})
    config.pop("auto_map", None)
    if code:
        config["auto_map"] = dict(code)
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def tensors(model: PreTrainedModel, dtype: torch.dtype) -> dict[str, Tensor]:
    """A model's tensors, rounded; those that are one stay one, and those that a model wants exact stay exact."""
    exact = [re.compile(pattern) for pattern in getattr(model, "_keep_in_fp32_modules_strict", None) or ()]
    cast: dict[Any, Tensor] = {}
    found = {}
    for name, tensor in model.state_dict().items():
        kept = not tensor.is_floating_point() or any(pattern.search(name) for pattern in exact)
        key = (tensor.data_ptr(), tensor.shape, tensor.stride())
        found[name] = tensor if kept else cast.setdefault(key, tensor.to(dtype))
    return found
