"""One token for each row by compiled kernels: see `torch_step.py` for the meaning, which is theirs too."""

from array import array
from functools import cache
from typing import Any

import torch
from torch import Tensor

from . import pool, torch_step
from .cpu_engine import LANES, LOG2_E, STATES

ROWS = (torch.float32, torch.bfloat16)  # what x, u, delta, z and the convolution's state may be in


@cache
def _kernel(name: str) -> Any:
    """Compile a kernel, or load it from the cache, at first use: numba is imported here and not before."""
    from . import step_kernels
    from .jit import kernel

    return kernel(getattr(step_kernels, name))


class Step(torch_step.Step):
    """As the plain one, which does what the kernels cannot: odd shapes, other dtypes and layouts.

    They want channels and states that fill vectors, and a scan state whose memory is (batch, d_state, d_inner).
    """

    def __init__(self, A: Tensor, D: Tensor, delta_bias: Tensor | None, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__(A, D, delta_bias, weight, bias)
        self._channels, self._states = A.shape
        self._fits = self._channels % LANES == 0 and self._states % STATES == 0
        self._threads = torch.get_num_threads()
        # What the kernels read is kept in their layout, and alive.
        self._taps = self.weight.t().contiguous()
        self._scan_weights = ((self.A * LOG2_E).t().contiguous(), self.D.contiguous(), self.delta_bias.contiguous())
        self._conv_weights = (self._taps, self.bias.contiguous())

    def convolve(self, x: Tensor, state: Tensor) -> Tensor:
        """silu of the convolution at x (batch, d_inner); `state` (batch, width - 1, d_inner), the inputs before it."""
        rows, width = len(x), len(self._taps)
        if not (self._takes(x) and state.dtype == x.dtype and state.shape == (rows, width - 1, self._channels)):
            return super().convolve(x, state)
        if not state.is_contiguous():
            return super().convolve(x, state)
        out = torch.empty(rows, self._channels, dtype=x.dtype)
        self._run("convolve", x.dtype, rows, width, _rows(x, state, out), self._conv_weights)
        return out

    def scan(self, u: Tensor, delta: Tensor, B: Tensor, C: Tensor, z: Tensor, state: Tensor) -> Tensor:
        """The scan's output, gated; see the plain one."""
        rows, inner = len(u), state.transpose(1, 2)
        narrow = all(x.shape == (rows, self._states) and x.stride(1) == 1 for x in (B, C))
        whole = inner.shape == (rows, self._states, self._channels) and inner.is_contiguous()
        same = delta.dtype == z.dtype == u.dtype and state.dtype == torch.float32
        if not (narrow and whole and same and all(map(self._takes, (u, delta, z)))):
            return super().scan(u, delta, B, C, z, state)
        B, C, out = B.float(), C.float(), torch.empty(rows, self._channels, dtype=u.dtype)
        self._run("scan", u.dtype, rows, self._states, _rows(u, delta, z, B, C, inner, out), self._scan_weights)
        return out

    def _takes(self, x: Tensor) -> bool:
        return self._fits and x.dtype in ROWS and x.shape[1] == self._channels and x.stride(1) == 1

    def _run(
        self, name: str, dtype: torch.dtype, rows: int, size: int, places: list[int], weights: tuple[Tensor, ...]
    ) -> None:
        groups = -(-2 * self._threads // rows)  # so that every thread has a task or two
        block = array("q", [0, rows * groups, groups, self._channels, size, *places])
        block.extend(weight.data_ptr() for weight in weights)
        kernel = _kernel(f"{name}_{'float32' if dtype == torch.float32 else 'bfloat16'}")
        pool.run(kernel, block.buffer_info()[0], self._threads)


def _rows(*tensors: Tensor) -> list[int]:
    """Of each tensor the address, and the bytes from one batch row to the next."""
    return [n for tensor in tensors for n in (tensor.data_ptr(), tensor.element_size() * tensor.stride(0))]
