"""A Mamba's tensors as llama.cpp has them.

Its A is what the recurrence uses, -exp(A_log); the convolution has no dimension of 1; a tied head is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SMALL = ("ssm_conv1d.weight", "ssm_a", "ssm_d", "ssm_x.weight", "ssm_dt.weight")  # float32 always: little, and delicate
BLOCK = 32  # numbers of a row that q8_0 takes together


def unknown(model: PreTrainedModel) -> str:
    """What llama.cpp's Mamba does not have; empty: it has all."""
    config: Any = model.config
    if config.model_type != "mamba":
        return f"it is a {config.model_type}, and this writes Mamba alone"
    inner, outer = config.intermediate_size, config.hidden_size
    if inner != 2 * outer:
        return f"llama.cpp's Mamba is twice as wide inside, and this one is {inner} of {outer}"
    if config.use_bias or not config.use_conv_bias:
        return "llama.cpp's Mamba has a bias in its convolution and none in its projections"
    return ""


def tensors(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Name in the file and values, float32, in the model's order."""
    from gguf import MODEL_ARCH, get_tensor_name_map

    names = get_tensor_name_map(MODEL_ARCH.MAMBA, model.config.num_hidden_layers)  # type: ignore[attr-defined]
    tied = model.config.tie_word_embeddings  # type: ignore[attr-defined]
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and tied:
            continue
        tensor = tensor.detach().float()
        if name.endswith(".A_log"):
            tensor = -torch.exp(tensor)
        if name.endswith("conv1d.weight"):
            tensor = tensor.squeeze(1)
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert found is not None, name
        yield found, tensor


def stored(name: str, tensor: Tensor, kind: str) -> tuple[np.ndarray, Any]:
    """A tensor's bytes, and the type that they are in: vectors and small matrices in float32, all else in `kind`.

    A matrix whose rows are no multiple of a block is f16 in place of q8_0.
    """
    from gguf import GGMLQuantizationType, quants

    values = tensor.contiguous().numpy()
    if kind == "f32" or tensor.dim() == 1 or name.endswith(SMALL):
        return values, GGMLQuantizationType.F32
    kind = "f16" if kind == "q8_0" and tensor.shape[-1] % BLOCK else kind
    wanted = GGMLQuantizationType[kind.upper()]
    return quants.quantize(values, wanted), wanted
