"""Which engine computes the scan: by device and by what is installed, or the one that was asked for.

An engine is a module with three functions, all time-major, (batch, length, channels), and a class for one token:

- `why_not(device)`: the empty string when it can run there, else the reason;
- `scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, mask, positions, initial_state)`: `selective_scan`'s
  meaning, giving (out, last state);
- `conv_silu(x, weight, bias, mask, positions)`: silu of the causal depthwise convolution, `weight` (channels, width);
- `Step(A, D, delta_bias, weight, bias)`: both of them for one token per row, see `torch_step.Step`.

With `positions` neither takes anything from one document of a row into the next, forward or backward.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reason_cli import ReasonError

from . import cpu_engine, cpu_step, cuda_engine, torch_engine, torch_step

_MODULES = {"cuda": cuda_engine, "cpu": cpu_engine, "torch": torch_engine}  # "auto" tries them in this order
_STEPS = {"cpu": cpu_step.Step}  # others have the plain one: on a GPU a captured graph takes its overhead away
DESCRIPTIONS = {
    "cuda": "mamba-ssm and causal-conv1d kernels",
    "cpu": "fused kernels compiled by numba",
    "torch": "plain PyTorch, one step after another (the reference)",
}
ENGINE_NAMES = ("auto", *_MODULES)
_HINTS = {
    "cuda": "choose scan 'auto' or 'torch', or install them with "
    "`pip install --no-build-isolation mamba-ssm causal-conv1d` on a machine with CUDA and nvcc",
    "cpu": "choose scan 'auto' or 'torch', or run on the CPU with `pip install numba`",
    "torch": "",
}


@dataclass(frozen=True)
class ScanEngine:
    """One way to compute the scan and the convolution before it; see the module for the meaning of its parts."""

    name: str
    description: str
    scan: Callable[..., tuple[Tensor, Tensor]]
    conv_silu: Callable[..., Tensor]
    step: type[torch_step.Step] = torch_step.Step


def resolve_engine(name: str = "auto", device: torch.device | str = "cpu") -> ScanEngine:
    """The engine of that name, or with "auto" the fastest that can run on `device`.

    Raises `ReasonError` for an unknown name and for a named engine that cannot run, with the reason and the next step.
    """
    device = torch.device(device)
    if name == "auto":
        return next(_engine(candidate) for candidate, module in _MODULES.items() if not module.why_not(device))
    if name not in _MODULES:
        raise ReasonError(f"unknown scan engine '{name}'", f"choose one of {', '.join(ENGINE_NAMES)}")
    reason = _MODULES[name].why_not(device)
    if reason:
        raise ReasonError(f"scan engine '{name}' cannot run: {reason}", _HINTS[name])
    return _engine(name)


def _engine(name: str) -> ScanEngine:
    module = _MODULES[name]
    return ScanEngine(name, DESCRIPTIONS[name], module.scan, module.conv_silu, _STEPS.get(name, torch_step.Step))
