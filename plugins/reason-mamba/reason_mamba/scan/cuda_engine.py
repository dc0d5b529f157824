"""The `cuda` engine: mamba-ssm's scan and causal-conv1d's convolution, where they are installed and right.

Installed is not enough: builds without kernels import half-way, and builds for another card run and give nonsense.
So a small probe is compared with the reference before the engine calls itself available.

mamba-ssm's kernel knows nothing of documents: before each of them a step that forgets everything is put into the row.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from . import torch_engine

FORGET = 1e15  # a step size at which exp(dt A) is exactly 0, unless A is


def why_not(device: torch.device) -> str:
    """The empty string when the kernels import, run on `device` and agree with the reference; else the reason."""
    if device.type != "cuda":
        return f"it needs a CUDA device, and the model is on '{device.type}'"
    if not torch.cuda.is_available():
        return "torch finds no CUDA device"
    return _probe(torch.cuda.get_device_name(device), device)


@cache
def _kernels() -> tuple[Any, Any]:
    from causal_conv1d import causal_conv1d_fn
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    return selective_scan_fn, causal_conv1d_fn


@cache
def _probe(card: str, device: torch.device) -> str:
    try:
        _kernels()
    except Exception as error:  # a half-built extension raises anything, from ImportError to OSError
        return f"its kernels do not import ({type(error).__name__}: {error})"
    try:
        got = _outputs(scan, conv_silu, device)
    except Exception as error:  # as above: a kernel for another card fails in its own way
        return f"its kernels do not run on {card} ({type(error).__name__}: {error})"
    want = _outputs(torch_engine.scan, torch_engine.conv_silu, device)
    worst = max(float((g - w).abs().max() / w.abs().max()) for g, w in zip(got, want, strict=True))
    return "" if worst < 1e-3 else f"its kernels disagree with the reference on {card} (relative error {worst:.1e})"


def _outputs(scan: Callable[..., tuple[Tensor, Tensor]], conv_silu: Callable[..., Tensor], device: Any) -> list[Tensor]:
    """What an engine makes of a small sample, as rows of one document and of several."""
    generator = torch.Generator().manual_seed(0)
    u, delta, z = (torch.randn(2, 37, 32, generator=generator).to(device) for _ in range(3))
    B, C = (torch.randn(2, 37, 16, generator=generator).to(device) for _ in range(2))
    A, weight = -torch.rand(32, 16, generator=generator).to(device), torch.randn(32, 4, generator=generator).to(device)
    several = (torch.arange(37) % 14).expand(2, 37).to(device)
    scans = [scan(u, delta, A, B, C, z=z, delta_softplus=True, positions=where)[0] for where in (None, several)]
    return scans + [conv_silu(u, weight, positions=where) for where in (None, several)]


def scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    mask: Tensor | None = None,
    positions: Tensor | None = None,
    initial_state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The scan, time-major. mamba-ssm's kernel cannot begin from a given state: that case goes to the reference."""
    if initial_state is not None:
        return torch_engine.scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, mask, positions, initial_state)
    if mask is not None:
        delta, delta_bias = _freeze(delta, delta_bias, mask, delta_softplus), None
    if positions is not None:
        return _scan_documents(u, delta, A, B, C, D, z, delta_bias, delta_softplus, positions)
    out, last = _kernels()[0](
        u.transpose(1, 2),
        delta.to(u.dtype).transpose(1, 2),
        A.float(),
        B.to(u.dtype).transpose(1, 2),
        C.to(u.dtype).transpose(1, 2),
        None if D is None else D.float(),
        z=None if z is None else z.to(u.dtype).transpose(1, 2),
        delta_bias=None if delta_bias is None else delta_bias.float(),
        delta_softplus=delta_softplus,
        return_last_state=True,
    )
    return out.transpose(1, 2), last


def _scan_documents(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
    positions: Tensor,
) -> tuple[Tensor, Tensor]:
    """`scan` over rows of several documents, in rows that are wider by a forgetting step before each document."""
    dtype = u.dtype
    u = u.float() if dtype == torch.float16 else u  # FORGET is no float16
    columns, width = spread_columns(positions)

    def wide(x: Tensor, free: float = 0.0) -> Tensor:
        return _spread(x.to(u.dtype), columns, width, free)

    gate = None if z is None else wide(z)
    out, last = scan(wide(u), wide(delta, FORGET), A, wide(B), wide(C), D, gate, delta_bias, delta_softplus)
    return out.gather(1, columns.unsqueeze(-1).expand_as(u)).to(dtype), last


def spread_columns(positions: Tensor) -> tuple[Tensor, int]:
    """Where each step (batch, length) goes in rows with a free column before every document, and how wide these are.

    Rows of fewer documents have more free columns at their beginning, so that each row ends with its last step.
    """
    columns = torch.arange(positions.shape[1], device=positions.device) + (positions == 0).cumsum(1)
    width = int(columns[:, -1].max()) + 1
    return columns + (width - 1 - columns[:, -1:]), width


def _spread(x: Tensor, columns: Tensor, width: int, free: float) -> Tensor:
    """The steps of x (batch, length, n) in those columns of (batch, width, n), `free` in the others."""
    return x.new_full((x.shape[0], width, x.shape[2]), free).scatter(1, columns.unsqueeze(-1).expand_as(x), x)


def _freeze(delta: Tensor, bias: Tensor | None, mask: Tensor, softplus: bool) -> Tensor:
    """delta + bias whose step size comes out as exactly 0 where the mask is 0: softplus(-10000) is 0."""
    delta = delta if bias is None else delta + bias.to(delta.dtype)
    return delta.masked_fill(mask.unsqueeze(-1) == 0, -1e4 if softplus else 0.0)


def conv_silu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    positions: Tensor | None = None,
) -> Tensor:
    """causal-conv1d's fused convolution and silu; see the reference for the meaning."""
    if mask is not None:
        x = x * mask.unsqueeze(-1).to(x.dtype)
    bias = None if bias is None else bias.to(x.dtype)
    document = None if positions is None else (positions == 0).cumsum(1, dtype=torch.int32)
    out = _kernels()[1](x.transpose(1, 2), weight.to(x.dtype), bias, seq_idx=document, activation="silu")
    return out.transpose(1, 2)
