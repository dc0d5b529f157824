"""The `cpu` engine: torch operators around the compiled kernels.

`torch.ops.reason.scan_forward`, `conv_forward` and their like are custom operators with fake implementations and
registered gradients, so `torch.compile`, `torch.export` and gradient checkpointing see through them. Tensors are
time-major, (batch, length, channels); rows may lie further apart than they are wide (a slice of a wider tensor needs
no copy). u, delta, z, the result and their gradients may be bfloat16 in memory; all else is float32, as is all
arithmetic. Nothing here knows about models.
"""

from array import array
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from . import pool

LANES = 16  # channels and states that the kernels take at a time: theirs must be multiples of these
STATES = 4
BLOCK = 4  # vectors that the kernels' elementwise passes touch side by side
CHUNK = 32  # steps between two stored states; the buffers of one chunk stay in the first-level cache
LOG2_E = 1.4426950408889634


def why_not(device: torch.device) -> str:
    """The empty string when numba is there and the device is a CPU; else the reason."""
    if device.type != "cpu":
        return f"it runs on a CPU, and the model is on '{device.type}'"
    return "" if find_spec("numba") else "numba is not installed"


@cache
def _kernel(name: str) -> Any:
    """Compile a kernel, or load it from the cache, at first use: numba is imported here and not before."""
    from . import cpu_kernels
    from .jit import kernel

    return kernel(getattr(cpu_kernels, name))


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
    """The fused scan, time-major; see `torch_engine.scan` for the shapes."""
    dtype, (channels, states) = u.dtype, A.shape
    more_channels, more_states = -channels % LANES, -states % STATES
    u, delta, z, D, delta_bias = (_pad(tensor, more_channels) for tensor in (u, delta, z, D, delta_bias))
    B, C = _pad(B, more_states), _pad(C, more_states)
    A, initial_state = (_pad(tensor, more_states, more_channels) for tensor in (A, initial_state))
    state = None if initial_state is None else initial_state.float().transpose(1, 2)
    rows = torch.bfloat16 if all(x is None or x.dtype == torch.bfloat16 for x in (u, delta, z)) else torch.float32
    inputs = (
        u.to(rows), delta.to(rows), (A.float() * LOG2_E).t().contiguous(), B.float(), C.float(), _f32(D),
        None if z is None else z.to(rows), _f32(delta_bias), _f32(mask), _i64(positions),
    )  # fmt: skip
    if torch.is_grad_enabled():
        out, last, _ = torch.ops.reason.scan_forward(*inputs, state, delta_softplus)
    else:
        last = u.new_zeros(len(u), *inputs[2].shape, dtype=torch.float32) if state is None else _copy(state)
        out = torch.ops.reason.scan_inference(*inputs, last, delta_softplus)
    last = last.transpose(1, 2)
    if more_channels or more_states:
        out, last = out[..., :channels], last[:, :channels, :states]
    return out.to(dtype), last


def _pad(tensor: Any, last: int, before_last: int = 0) -> Any:
    """Zeros at the end of the last dimension, and of the one before it, so that the kernels work in full vectors."""
    if tensor is None or not (last or before_last):
        return tensor
    return torch.nn.functional.pad(tensor, (0, last, 0, before_last) if before_last else (0, last))


def _copy(tensor: Tensor) -> Tensor:
    return tensor.clone(memory_format=torch.contiguous_format)


def _f32(tensor: Any) -> Any:
    return None if tensor is None else tensor.float().contiguous()


def _i64(tensor: Any) -> Any:
    return None if tensor is None else tensor.long().contiguous()


@torch.library.custom_op("reason::scan_forward", mutates_args=(), device_types="cpu")
def scan_forward(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    positions: Tensor | None,
    state: Tensor | None,
    softplus: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """(out, last state, states at chunk borders). A is A / log(2), (states, channels), a state one of these per row."""
    batch, length, channels = u.shape
    _check(u, delta, A, B, C, D, z, bias, mask, positions, state)
    out = torch.empty(u.shape, dtype=u.dtype)
    borders = torch.empty(batch, -(-length // CHUNK) + 1, A.shape[0], channels)
    borders[:, 0] = 0.0 if state is None else state
    block = _Block(u, A.shape[0], BUFFERS_FORWARD, softplus)
    block.add_scan_inputs(u, delta, A, B, C, D, z, bias, mask, positions, borders)
    block.add(out)
    block.run("forward")
    return out, borders[:, -1].clone(), borders


@scan_forward.register_fake
def _(u, delta, A, B, C, D, z, bias, mask, positions, state, softplus):
    batch, length = u.shape[:2]
    last = A.new_empty(batch, *A.shape)
    return u.new_empty(u.shape), last, A.new_empty(batch, -(-length // CHUNK) + 1, *A.shape)


@torch.library.custom_op("reason::scan_inference", mutates_args=("state",), device_types="cpu")
def scan_inference(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    positions: Tensor | None,
    state: Tensor,
    softplus: bool,
) -> Tensor:
    """out, with `state` advanced in place: every chunk border is the state itself, so none is kept."""
    _check(u, delta, A, B, C, D, z, bias, mask, positions, state)
    out = torch.empty(u.shape, dtype=u.dtype)
    block = _Block(u, A.shape[0], BUFFERS_FORWARD, softplus)
    block.add_scan_inputs(u, delta, A, B, C, D, z, bias, mask, positions, state.unsqueeze(1).expand(-1, 2, -1, -1))
    block.add(out)
    block.run("forward")
    return out


@scan_inference.register_fake
def _(u, delta, A, B, C, D, z, bias, mask, positions, state, softplus):
    return u.new_empty(u.shape)


@torch.library.custom_op("reason::scan_backward", mutates_args=(), device_types="cpu")
def scan_backward(
    dout: Tensor,
    dlast: Tensor,
    borders: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    bias: Tensor | None,
    mask: Tensor | None,
    positions: Tensor | None,
    softplus: bool,
) -> list[Tensor]:
    """Gradients of u, delta, A, B, C, D, z, bias and the first state, in that order, absent ones included."""
    batch, length, channels = u.shape
    states = A.shape[0]
    block = _Block(u, A.shape[0], BUFFERS_BACKWARD, softplus)
    block.add_scan_inputs(u, delta, A, B, C, D, z, bias, mask, positions, borders)
    block.add_rows(dout)
    grad_u, grad_delta = torch.empty(u.shape, dtype=u.dtype), torch.empty(u.shape, dtype=u.dtype)
    grad_z = torch.empty(0 if z is None else u.shape, dtype=u.dtype)
    grad_b, grad_c = (torch.empty(block.groups, batch, length, states) for _ in range(2))
    grad_a, grad_d, grad_bias = (torch.zeros(batch, *shape) for shape in ((states, channels), (channels,), (channels,)))
    grad_state = _copy(dlast)
    block.add(grad_u, grad_delta, grad_z, grad_b, grad_c, grad_a, grad_d, grad_bias, grad_state)
    block.run("backward")
    sums = [grad.sum(0) for grad in (grad_b, grad_c, grad_d)]
    return [grad_u, grad_delta, grad_a.sum(0) / LOG2_E, *sums, grad_z, grad_bias.sum(0), grad_state]


@scan_backward.register_fake
def _(dout, dlast, borders, u, delta, A, B, C, D, z, bias, mask, positions, softplus):
    batch, length, channels = u.shape
    states = A.shape[0]
    narrow = (batch, length, states)
    small = [A.new_empty(shape) for shape in ((states, channels), narrow, narrow, (channels,))]
    grad_z = u.new_empty(0 if z is None else u.shape)
    last = [A.new_empty(channels), A.new_empty(batch, states, channels)]
    return [u.new_empty(u.shape), u.new_empty(u.shape), *small, grad_z, *last]


def _save(ctx: Any, inputs: tuple, output: tuple) -> None:
    *tensors, state, ctx.softplus = inputs
    ctx.has_state = state is not None
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(output[2], *tensors)


def _gradient(ctx: Any, dout: Tensor | None, dlast: Tensor | None, _: Tensor | None) -> tuple:
    borders, *inputs = ctx.saved_tensors
    u, D, z, bias = inputs[0], inputs[5], inputs[6], inputs[7]
    dout = torch.zeros_like(u) if dout is None else dout.to(u.dtype)
    dlast = torch.zeros_like(borders[:, 0]) if dlast is None else dlast
    *grads, grad_d, grad_z, grad_bias, grad_state = torch.ops.reason.scan_backward(
        dout, dlast, borders, *inputs, ctx.softplus
    )
    optional = [grad if given is not None else None for grad, given in ((grad_d, D), (grad_z, z), (grad_bias, bias))]
    return *grads, *optional, None, None, grad_state if ctx.has_state else None, None


scan_forward.register_autograd(_gradient, setup_context=_save)

# Buffers of one thread, counted in chunks of one vector: (BLOCK of them for each of k quantities, more that depend on
# the number of states); see the head of each kernel.
BUFFERS_FORWARD = (3 * BLOCK, 0)
BUFFERS_BACKWARD = (6 * BLOCK + 2 * STATES, 2)


def _check(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, z: Tensor | None,
    bias: Tensor | None, mask: Tensor | None, positions: Tensor | None, state: Tensor | None,
) -> None:  # fmt: skip
    (batch, length, channels), states = u.shape, A.shape[0]
    rows, narrow, vector = (batch, length, channels), (batch, length, states), (channels,)
    _expect([(u, rows), (delta, rows), (z, rows)], u.dtype)
    _expect([(B, narrow), (C, narrow), (A, (states, channels)), (D, vector), (bias, vector)])
    _expect([(mask, rows[:2]), (state, (batch, states, channels))])
    _expect([(positions, rows[:2])], torch.int64)
    if channels % LANES or states % STATES:
        raise ValueError(f"{channels} channels and {states} states are not multiples of {LANES} and {STATES}")


def _expect(shapes: list[tuple[Tensor | None, tuple[int, ...]]], dtype: torch.dtype = torch.float32) -> None:
    """Raise ValueError where a tensor is not what the kernels, which read raw memory, take it for."""
    for tensor, shape in shapes:
        if tensor is not None and (tuple(tensor.shape) != tuple(shape) or tensor.dtype != dtype):
            found = f"{tensor.dtype} of {tuple(tensor.shape)}"
            raise ValueError(f"expected {dtype} of shape {tuple(shape)}, not {found}")


class _Block:
    """The block of int64 that a kernel reads: counters, sizes, scratch memory, then addresses and strides in bytes."""

    def __init__(self, rows: Tensor, states: int, buffers: tuple[int, int], softplus: bool = False) -> None:
        self.dtype = str(rows.dtype).removeprefix("torch.")
        batch, length, channels = rows.shape
        self.threads = torch.get_num_threads()
        # Groups of channels give every thread a few tasks; more groups would fold the gradients of B and C more often.
        self.groups = min(channels // (LANES * BLOCK) or 1, -(-2 * self.threads // max(batch, 1)))
        scratch = (buffers[0] + buffers[1] * states) * CHUNK * LANES * 4
        self.scratch = torch.empty(self.threads * scratch // 4)
        self.numbers = [
            0, 0, batch * self.groups, length, channels, states, CHUNK, self.groups, int(softplus),
            self.scratch.data_ptr(), scratch,
        ]  # fmt: skip
        self.alive: list[Tensor] = []

    def add(self, *tensors: Tensor | None) -> None:
        """Contiguous tensors, by address alone; 0 stands for one that is absent."""
        for tensor in tensors:
            self._keep(None if tensor is None else tensor.contiguous())

    def add_rows(self, *tensors: Tensor | None) -> None:
        """Time-major tensors: address, bytes from one batch row and from one step to the next."""
        for tensor in tensors:
            if tensor is not None and tensor.stride(-1) != 1:
                tensor = tensor.contiguous()
            self._keep(tensor)
            size = 0 if tensor is None else tensor.element_size()
            self.numbers += [0, 0] if tensor is None else [size * tensor.stride(0), size * tensor.stride(1)]

    def _keep(self, tensor: Tensor | None) -> None:
        """An address, and the tensor itself, which must live as long as the block."""
        if tensor is not None:
            self.alive.append(tensor)
        self.numbers.append(0 if tensor is None else tensor.data_ptr())

    def add_scan_inputs(self, u, delta, A, B, C, D, z, bias, mask, positions, borders) -> None:
        """What both kernels read, in the order in which both read it."""
        self.add_rows(u, delta, z, B, C)
        self.add(A, _or_zeros(D, u.shape[2]), _or_zeros(bias, u.shape[2]), mask, positions)
        self.add_rows(borders)

    def run(self, name: str) -> None:
        """Run the kernel of that name, in its form for the dtype of the rows."""
        block = array("q", self.numbers)
        pool.run(_kernel(f"{name}_{self.dtype}"), block.buffer_info()[0], self.threads)


def _or_zeros(vector: Tensor | None, size: int) -> Tensor:
    return torch.zeros(size) if vector is None else vector


def conv_silu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    positions: Tensor | None = None,
) -> Tensor:
    """silu of the causal depthwise convolution, fused; see `torch_engine.conv_silu`."""
    dtype, channels = x.dtype, x.shape[2]
    spare = -channels % LANES
    x, bias, weight = _pad(x, spare), _pad(bias, spare), _pad(weight, 0, spare)
    rows = torch.bfloat16 if dtype == torch.bfloat16 else torch.float32
    taps = _f32(weight).t().contiguous()
    out = torch.ops.reason.conv_forward(x.to(rows), taps, _f32(bias), _f32(mask), _i64(positions))
    return (out[..., :channels] if spare else out).to(dtype)


@torch.library.custom_op("reason::conv_forward", mutates_args=(), device_types="cpu")
def conv_forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor | None, positions: Tensor | None
) -> Tensor:
    """x (batch, length, channels), weight (width, channels), bias (channels,), mask and positions (batch, length)."""
    batch, length, channels = x.shape
    width = weight.shape[0]
    _expect([(weight, (width, channels)), (bias, (channels,)), (mask, (batch, length))])
    _expect([(positions, (batch, length))], torch.int64)
    if channels % LANES:
        raise ValueError(f"{channels} channels are not a multiple of {LANES}")
    out = torch.empty(x.shape, dtype=x.dtype)
    block = _Block(x, width, (0, 0))
    block.add_rows(x)
    block.add(weight, _or_zeros(bias, x.shape[2]), mask, positions, out)
    block.run("conv_forward")
    return out


@conv_forward.register_fake
def _(x, weight, bias, mask, positions):
    return x.new_empty(x.shape)


@torch.library.custom_op("reason::conv_backward", mutates_args=(), device_types="cpu")
def conv_backward(
    dout: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor | None, positions: Tensor | None
) -> list[Tensor]:
    """Gradients of x, weight and bias (even where there is none)."""
    width, channels = weight.shape
    grad_x = torch.empty(x.shape, dtype=x.dtype)
    grad_weight, grad_bias = torch.zeros(x.shape[0], width, channels), torch.zeros(x.shape[0], channels)
    block = _Block(x, width, (BLOCK * (1 + width // CHUNK + 1), 0))
    block.add_rows(x)
    block.add(weight, _or_zeros(bias, channels), mask, positions)
    block.add_rows(dout)
    block.add(grad_x, grad_weight, grad_bias)
    block.run("conv_backward")
    return [grad_x, grad_weight.sum(0), grad_bias.sum(0)]


@conv_backward.register_fake
def _(dout, x, weight, bias, mask, positions):
    return [x.new_empty(x.shape), torch.empty_like(weight), weight.new_empty(x.shape[2])]


def _save_conv(ctx: Any, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _conv_gradient(ctx: Any, dout: Tensor) -> tuple:
    x, weight, bias, *where = ctx.saved_tensors
    grad_x, grad_weight, grad_bias = torch.ops.reason.conv_backward(dout.to(x.dtype), x, weight, bias, *where)
    return grad_x, grad_weight, None if bias is None else grad_bias, None, None


conv_forward.register_autograd(_conv_gradient, setup_context=_save_conv)
