"""The `torch` engine: the recurrence as the paper writes it, step after step. The reference for all others.

Slow, but short, differentiable by autograd in time linear in length (steps are unbound once, not sliced one by one),
free of anything to compile, and at home on every device and in float64. Graphs that are traced have a `Loop` of their
own in place of the walk over the steps, see `traced`.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

# (dt, dt * u, A, B, C, first state) to (y, last state): dt and u (b, l, d_inner), B and C (b, l, d_state).
Loop = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def why_not(device: torch.device) -> str:
    """The reference runs everywhere."""
    return ""


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
    loop: Loop | None = None,
) -> tuple[Tensor, Tensor]:
    """`selective_scan`, time-major: u, delta, z (batch, length, d_inner), B and C (batch, length, d_state).

    A `loop` knows no `positions`.
    """
    dtype = u.dtype
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    u, delta, A, B, C = (x.to(exact) for x in (u, delta, A, B, C))
    dt = delta if delta_bias is None else delta + delta_bias.to(exact)
    if delta_softplus:
        dt = F.softplus(dt)
    if mask is not None:
        dt = dt * mask.to(exact).unsqueeze(-1)  # a step of size 0 leaves the state as it is
    h = u.new_zeros(u.shape[0], *A.shape) if initial_state is None else initial_state.to(exact)
    y, h = _walk(dt, dt * u, A, B, C, h, positions) if loop is None else loop(dt, dt * u, A, B, C, h)
    if D is not None:
        y = y + u * D.to(exact)
    if z is not None:
        y = y * F.silu(z.to(exact))
    return y.to(dtype), h


def _walk(
    dt: Tensor, dtu: Tensor, A: Tensor, B: Tensor, C: Tensor, h: Tensor, positions: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Step after step: y (b, l, d_inner) and the last state (b, d_inner, d_state)."""
    begins = None if positions is None else (positions == 0)[..., None, None].unbind(1)  # (b, 1, 1) each
    ys = []
    for t, (dt_t, dtu_t, B_t, C_t) in enumerate(
        zip(dt.unbind(1), dtu.unbind(1), B.unbind(1), C.unbind(1), strict=True)
    ):
        if begins is not None:
            h = h.masked_fill(begins[t], 0.0)  # filled, not multiplied: another document's NaN stays there
        h = torch.exp(dt_t.unsqueeze(-1) * A) * h + dtu_t.unsqueeze(-1) * B_t.unsqueeze(1)  # (b, d_inner, d_state)
        ys.append(torch.einsum("bdn,bn->bd", h, C_t))
    return torch.stack(ys, dim=1), h


def conv_silu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    positions: Tensor | None = None,
) -> Tensor:
    """silu of the causal depthwise convolution of x (batch, length, channels) with weight (channels, width).

    Steps where `mask` (batch, length) is 0 count as zeros, as the steps before the first do; and with `positions`
    (batch, length) the steps before the first of a document, `positions[:, t]` steps before t.
    """
    if mask is not None:
        x = x * mask.unsqueeze(-1).to(x.dtype)
    channels, width = weight.shape
    padded = F.pad(x.transpose(1, 2), (width - 1, 0))
    weight, bias = weight.to(x.dtype), None if bias is None else bias.to(x.dtype)
    if positions is None:
        return F.silu(F.conv1d(padded, weight.unsqueeze(1), bias, groups=channels)).transpose(1, 2)
    back = torch.arange(width - 1, -1, -1, device=x.device)  # how many steps before t each tap reads
    outside = back > positions.unsqueeze(-1)  # (b, l, width)
    taps = padded.unfold(2, width, 1).masked_fill(outside.unsqueeze(1), 0.0)  # (b, channels, l, width)
    y = torch.einsum("bclk,ck->blc", taps, weight)
    return F.silu(y if bias is None else y + bias)
