"""A graph in float16: a copy of it, with the parameters that must stay exact left in float32."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from reason_cli import Graph


def in_halves(graph: Graph) -> Graph:
    """The same on float16 weights; `graph` and its model stay as they are.

    What a state of a fixed size remembers stays in float32. One that grows with the text holds activations, such as
    keys and values: they are float16, as they come.
    """
    half: Any = copy.deepcopy(graph)
    exact = exact_names(half.model)
    with torch.no_grad():
        for name, parameter in half.model.named_parameters():
            if parameter.dtype == torch.float32 and not exact.search(name):
                parameter.data = parameter.data.half()
    for module in half.model.modules():
        if isinstance(module, (nn.Linear, nn.LayerNorm)):
            module.register_forward_pre_hook(in_its_own)
    half.states = tuple(
        replace(state, dtype="float16") if state.dtype == "float32" and grows(state.shape) else state
        for state in half.states
    )
    return half


def in_its_own(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a layer is given, in the numbers of its weights: a residual stream in float32 is, under autocast too."""
    weight: Any = module.weight
    return tuple(x.to(weight.dtype) if isinstance(x, Tensor) and x.is_floating_point() else x for x in inputs)


def grows(shape: tuple[int | str, ...]) -> bool:
    """Whether a size other than the batch's is free."""
    return any(isinstance(size, str) and size != "batch" for size in shape)


def exact_names(model: Any) -> re.Pattern[str]:
    """Matches the names of parameters that are float32 in any precision, as transformers reads a model's wish."""
    wished = {*(model._keep_in_fp32_modules_strict or ()), *(model._keep_in_fp32_modules or ())}
    return re.compile(rf"(^|\.)({'|'.join(sorted(wished))})($|\.)" if wished else r"(?!)")
