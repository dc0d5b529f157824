"""One token for each row on a CPU: the convolution and the scan of `cpu_kernels.py` without time, in place.

A task is one batch row and one group of channels. The blocks at `args` are filled by `cpu_step.py` in the order in
which they are read here; rows and strides are in bytes, `state_row` is that of one batch row.
"""

# mypy: disable-error-code="call-arg, var-annotated"
# numba passes the typing context to an intrinsic by itself

from numba import njit

from .simd import (
    BYTES,
    LANES,
    STATES,
    exp2,
    load,
    load_coefficients,
    load_int,
    load_row,
    load_states,
    narrow,
    sigmoid,
    softplus,
    store_row,
    store_states,
    take,
    widen,
)


@njit(forceinline=True)
def _arg(args, index):
    return load_int(args + 8 * index)


@njit(forceinline=True)
def _convolve(args, half):
    """One thread's share of silu(convolution); the inputs in the state move up by one."""
    n_tasks, groups, channels, width = _arg(args, 1), _arg(args, 2), _arg(args, 3), _arg(args, 4)
    x_at, x_row, state_at, state_row = _arg(args, 5), _arg(args, 6), _arg(args, 7), _arg(args, 8)
    out_at, out_row = _arg(args, 9), _arg(args, 10)
    weight_at, bias_at = _arg(args, 11), _arg(args, 12)
    vectors = channels // LANES
    tap_size = 4 * channels  # bytes from one tap of the weights to the next
    step_size = tap_size // 2 if half != 0 else tap_size  # and from one input in the state to the next
    while True:
        task = take(args)
        if task >= n_tasks:
            return
        row, group = task // groups, task % groups
        x, state, out = x_at + row * x_row, state_at + row * state_row, out_at + row * out_row
        for v in range(group * vectors // groups, (group + 1) * vectors // groups):
            at = v * BYTES
            newest = load_row(x, v, half)
            acc = load(bias_at + at)
            for k in range(width - 1):
                tap = load_row(state + k * step_size, v, half)
                acc = acc + load(weight_at + k * tap_size + at) * tap
                if k > 0:
                    store_row(state + (k - 1) * step_size, v, half, tap)
            if width > 1:
                store_row(state + (width - 2) * step_size, v, half, newest)
            acc = acc + load(weight_at + (width - 1) * tap_size + at) * newest
            store_row(out, v, half, acc * sigmoid(acc))


@njit(forceinline=True)
def _scan(args, half):
    """One thread's share of the gated scan."""
    n_tasks, groups, channels, states = _arg(args, 1), _arg(args, 2), _arg(args, 3), _arg(args, 4)
    u_at, u_row, delta_at, delta_row = _arg(args, 5), _arg(args, 6), _arg(args, 7), _arg(args, 8)
    z_at, z_row, b_at, b_row, c_at, c_row = (
        _arg(args, 9), _arg(args, 10), _arg(args, 11), _arg(args, 12), _arg(args, 13), _arg(args, 14)
    )  # fmt: skip
    state_at, state_row, out_at, out_row = _arg(args, 15), _arg(args, 16), _arg(args, 17), _arg(args, 18)
    a_at, d_at, bias_at = _arg(args, 19), _arg(args, 20), _arg(args, 21)
    vectors = channels // LANES
    state_size = 4 * channels  # bytes from one state number to the next
    while True:
        task = take(args)
        if task >= n_tasks:
            return
        row, group = task // groups, task % groups
        u_task, delta_task, z_task = u_at + row * u_row, delta_at + row * delta_row, z_at + row * z_row
        b_task, c_task = b_at + row * b_row, c_at + row * c_row
        state, out = state_at + row * state_row, out_at + row * out_row
        for v in range(group * vectors // groups, (group + 1) * vectors // groups):
            u = load_row(u_task, v, half)
            dt = softplus(load_row(delta_task, v, half) + load(bias_at + v * BYTES))
            y = load(d_at + v * BYTES) * u
            wide_dt, wide_du = widen(dt), widen(dt * u)
            for n in range(0, states, STATES):
                at = n * state_size + v * BYTES
                b, c = load_coefficients(b_task + 4 * n), load_coefficients(c_task + 4 * n)
                decay = exp2(wide_dt * load_states(a_at + at, state_size))
                h = decay * load_states(state + at, state_size) + wide_du * b
                store_states(state + at, state_size, h)
                y = y + narrow(h * c)
            z = load_row(z_task, v, half)
            store_row(out, v, half, y * z * sigmoid(z))


# Each kernel twice, as in `cpu_kernels.py`.


def convolve_float32(args):
    _convolve(args, 0)


def convolve_bfloat16(args):
    _convolve(args, 1)


def scan_float32(args):
    _scan(args, 0)


def scan_bfloat16(args):
    _scan(args, 1)
