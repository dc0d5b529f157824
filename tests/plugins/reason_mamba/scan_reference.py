"""The recurrence once more, in float64, written for nothing but being right."""

import torch
import torch.nn.functional as F

NAMES = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")


def reference(u, delta, A, B, C, D=None, z=None, delta_bias=None, softplus=False, mask=None, state=None):
    """mamba-ssm's shapes: u, delta, z (b, e, l); A (e, n); B, C (b, n, l); state (b, e, n)."""
    dt = delta if delta_bias is None else delta + delta_bias[:, None]
    dt = F.softplus(dt) if softplus else dt
    dt = dt if mask is None else dt * mask[:, None]
    h = torch.zeros(u.shape[0], *A.shape, dtype=u.dtype) if state is None else state
    out = []
    for u_t, dt_t, B_t, C_t in zip(u.unbind(2), dt.unbind(2), B.unbind(2), C.unbind(2), strict=True):
        h = torch.exp(dt_t[..., None] * A) * h + (dt_t * u_t)[..., None] * B_t[:, None]
        out.append((h * C_t[:, None]).sum(-1))
    y = torch.stack(out, 2)
    y = y if D is None else y + D[:, None] * u
    return (y if z is None else y * F.silu(z)), h


def arguments(batch, length, inner, states):
    """Random float32 arguments in mamba-ssm's shapes, all asking for a gradient."""
    tensors = {
        "u": torch.randn(batch, inner, length),
        "delta": torch.randn(batch, inner, length) - 1,
        "A": -torch.rand(inner, states) * 4 - 0.01,
        "B": torch.randn(batch, states, length),
        "C": torch.randn(batch, states, length),
        "D": torch.randn(inner),
        "z": torch.randn(batch, inner, length),
        "delta_bias": torch.randn(inner),
    }
    return {name: tensor.requires_grad_() for name, tensor in tensors.items()}


def doubled(tensors):
    return {name: tensor.detach().double().requires_grad_() for name, tensor in tensors.items()}


def error(got, want):
    """The largest difference, relative to the largest value."""
    got, want = got.detach().double(), want.detach().double()
    return float((got - want).abs().max() / want.abs().max().clamp(min=1e-30))
