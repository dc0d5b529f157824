"""The scan in graphs that are traced once and then read texts of any length: the walk over the steps is one operation.

A Python loop would be unrolled to the length that was traced with.
"""

import functools
from typing import Any

import torch
from torch import Tensor

from . import torch_engine
from .engines import ScanEngine


def traced_engine(loop: str) -> ScanEngine:
    """An engine for graphs: `script`, a loop that TorchScript compiles; `scan`, torch's higher-order scan; `step`, for
    one token alone, no loop.
    """
    walk: Any = None if loop == "step" else _scripted() if loop == "script" else higher_order
    scan = functools.partial(torch_engine.scan, loop=walk)
    return ScanEngine(loop, "for graphs that are traced", scan, torch_engine.conv_silu)


def steps(dt: Tensor, dtu: Tensor, A: Tensor, B: Tensor, C: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """`torch_engine.Loop`, in the part of Python that TorchScript compiles."""
    ys = []
    for t in range(dt.size(1)):
        h = torch.exp(dt[:, t].unsqueeze(-1) * A) * h + dtu[:, t].unsqueeze(-1) * B[:, t].unsqueeze(1)
        ys.append(torch.matmul(h, C[:, t].unsqueeze(-1)).squeeze(-1))
    return torch.stack(ys, 1), h


@functools.cache
def _scripted() -> Any:
    return torch.jit.script(steps)


def higher_order(dt: Tensor, dtu: Tensor, A: Tensor, B: Tensor, C: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """`torch_engine.Loop` as one operation, which `torch.export` keeps as it is."""
    from torch._higher_order_ops.scan import scan

    rates = A.t().contiguous()  # channels last: what is multiplied at each step are whole rows

    def step(h: Tensor, now: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        dt, dtu, B, C = now  # (b, 1, d_inner) twice, (b, d_state, 1), (b, 1, d_state)
        # onnxruntime makes the outer product of B and dtu faster as a matrix product than element by element
        h = torch.exp(dt * rates) * h + torch.matmul(B, dtu)  # (b, d_state, d_inner)
        return h, torch.matmul(C, h)

    dt, dtu, B, C = (x.transpose(0, 1).contiguous() for x in (dt, dtu, B, C))
    by_time = (dt.unsqueeze(2), dtu.unsqueeze(2), B.unsqueeze(3), C.unsqueeze(2))
    last, ys = scan(step, h.transpose(1, 2).contiguous(), by_time)
    return ys.squeeze(2).transpose(0, 1), last.transpose(1, 2)
