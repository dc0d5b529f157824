"""The selective scan on a CPU: one compiled forward and one compiled backward kernel.

    dt_t = softplus(delta_t + bias) * mask_t              (softplus and mask are optional)
    h_t  = exp(dt_t A) h_{t-1} + dt_t u_t B_t             one state vector of n numbers per channel
    y_t  = C_t . h_t + D u_t
    out_t = y_t silu(z_t)                                 (z is optional)

Dimensions: `length` steps, `channels` (d_inner, a multiple of 16), `states` (d_state, a multiple of 4). A task is
one batch row and one group of channels. It walks the sequence in chunks; within a chunk and for sixteen channels it
takes four states at a time, so that these live in registers while the chunk passes by. Forward writes the states at
chunk borders and nothing else that has both channels and states; backward walks the chunks from the last to the first,
recomputes the states of one chunk, and runs the adjoint recurrence

    g_t = dy_t C_t + exp(dt_{t+1} A) g_{t+1}

through it. Where a document begins (`positions` is 0) h_{t-1} counts as zero and no g goes on to the step before:
within a chunk both recurrences take one document after another. Gradients of B and C are sums over channels: they
gather as vectors, are folded once per chunk, and the sums over channel groups are left to the caller, as are those of
A, D and the bias over batch rows. A arrives as A / log(2), so that exp(dt A) is a plain power of two.

The layouts of the argument blocks are in `cpu_engine.py`, which fills them in the same order.
"""


# mypy: disable-error-code="call-arg, var-annotated"
# numba passes the typing context to an intrinsic by itself

from numba import njit

from .simd import (
    BYTES,
    LANES,
    STATES,
    WIDE,
    exp2,
    load,
    load_coefficients,
    load_int,
    load_row,
    load_splat,
    load_states,
    load_wide,
    narrow,
    sigmoid,
    softplus,
    splat,
    store,
    store_row,
    store_scalar,
    store_states,
    take,
    total,
    widen,
)

BLOCK = 4  # vectors that one step of the elementwise passes touches side by side: 256 bytes of a row
LN_2 = 0.6931471805599453


@njit(forceinline=True)
def _arg(args, index):
    return load_int(args + 8 * index)


@njit(forceinline=True)
def _step_size(delta, bias, softplus_on):
    raw = delta + bias
    return softplus(raw) if softplus_on != 0 else raw


@njit(forceinline=True)
def _keep(mask, t):
    """1 where step t is real, 0 where it is padding."""
    return load_splat(mask + 4 * t) if mask != 0 else splat(1.0)


@njit(forceinline=True)
def _begins(positions, t):
    """Whether a document begins at step t; without positions none does, the row's first one included."""
    return positions != 0 and load_int(positions + 8 * t) == 0


@njit(forceinline=True)
def _end(positions, t, stop):
    """The step after the last of t's document, `stop` at most."""
    if positions == 0:
        return stop
    t += 1
    while t < stop and not _begins(positions, t):
        t += 1
    return t


@njit(forceinline=True)
def _begin(positions, end):
    """The first step, 0 at least, of the document whose last step is end - 1."""
    if positions == 0:
        return 0
    t = end - 1
    while t > 0 and not _begins(positions, t):
        t -= 1
    return t


@njit(forceinline=True)
def _zeros():
    return widen(splat(0.0))


@njit(forceinline=True)
def _forward(args, half):
    """One thread's share of the forward scan. See `cpu_engine.py` for the block at `args`."""
    n_tasks, length, channels, states, chunk, groups = (
        _arg(args, 2), _arg(args, 3), _arg(args, 4), _arg(args, 5), _arg(args, 6), _arg(args, 7)
    )  # fmt: skip
    softplus_on = _arg(args, 8)
    u_at, u_batch, u_row = _arg(args, 11), _arg(args, 12), _arg(args, 13)
    delta_at, delta_batch, delta_row = _arg(args, 14), _arg(args, 15), _arg(args, 16)
    z_at, z_batch, z_row = _arg(args, 17), _arg(args, 18), _arg(args, 19)
    b_at, b_batch, b_row = _arg(args, 20), _arg(args, 21), _arg(args, 22)
    c_at, c_batch, c_row = _arg(args, 23), _arg(args, 24), _arg(args, 25)
    a_at, d_at, bias_at, mask_at, positions_at = (
        _arg(args, 26), _arg(args, 27), _arg(args, 28), _arg(args, 29), _arg(args, 30)
    )  # fmt: skip
    borders_at, borders_row, borders_chunk = _arg(args, 31), _arg(args, 32), _arg(args, 33)
    out_at = _arg(args, 34)

    buffer = chunk * BYTES
    dt_buf = _arg(args, 9) + take(args + 8) * _arg(args, 10)
    du_buf = dt_buf + BLOCK * buffer
    y_buf = du_buf + BLOCK * buffer

    vectors = channels // LANES
    state_size = 4 * channels  # bytes from one state number to the next
    row_size = state_size // 2 if half != 0 else state_size  # and from one step of a result to the next
    while True:
        task = take(args)
        if task >= n_tasks:
            return
        row, group = task // groups, task % groups
        u_task, delta_task, z_task = u_at + row * u_batch, delta_at + row * delta_batch, z_at + row * z_batch
        b_task, c_task = b_at + row * b_batch, c_at + row * c_batch
        out_task = out_at + row * length * row_size
        mask = mask_at + row * length * 4 if mask_at != 0 else 0
        positions = positions_at + row * length * 8 if positions_at != 0 else 0
        border = borders_at + row * borders_row
        first, last = group * vectors // groups, (group + 1) * vectors // groups
        for start in range(0, length, chunk):
            steps = min(chunk, length - start)
            chunk_positions = positions + 8 * start if positions != 0 else 0
            for v in range(first, last, BLOCK):
                width = min(BLOCK, last - v)
                for t in range(steps):
                    keep = _keep(mask, start + t)
                    for i in range(width):
                        at = (v + i) * BYTES
                        u = load_row(u_task + (start + t) * u_row, v + i, half)
                        delta = load_row(delta_task + (start + t) * delta_row, v + i, half)
                        dt = _step_size(delta, load(bias_at + at), softplus_on) * keep
                        store(dt_buf + i * buffer + t * BYTES, dt)
                        store(du_buf + i * buffer + t * BYTES, dt * u)
                        store(y_buf + i * buffer + t * BYTES, load(d_at + at) * u)
                for i in range(width):
                    dt_at, du_at, y_at = dt_buf + i * buffer, du_buf + i * buffer, y_buf + i * buffer
                    for n in range(0, states, STATES):
                        at = n * state_size + (v + i) * BYTES
                        b_from, c_from = b_task + start * b_row + 4 * n, c_task + start * c_row + 4 * n
                        a2 = load_states(a_at + at, state_size)
                        h = load_states(border + at, state_size)
                        end = 0
                        while end < steps:
                            begin = end
                            end = _end(chunk_positions, begin, steps)
                            if _begins(chunk_positions, begin):
                                h = _zeros()
                            for t in range(begin, end):
                                here = t * BYTES
                                b, c = load_coefficients(b_from + t * b_row), load_coefficients(c_from + t * c_row)
                                h = exp2(widen(load(dt_at + here)) * a2) * h + widen(load(du_at + here)) * b
                                store(y_at + here, load(y_at + here) + narrow(h * c))
                        store_states(border + borders_chunk + at, state_size, h)
                for t in range(steps):
                    for i in range(width):
                        y = load(y_buf + i * buffer + t * BYTES)
                        if z_at != 0:
                            z = load_row(z_task + (start + t) * z_row, v + i, half)
                            y = y * z * sigmoid(z)
                        store_row(out_task + (start + t) * row_size, v + i, half, y)
            border += borders_chunk


@njit(forceinline=True)
def _backward(args, half):
    """One thread's share of the backward scan. See `cpu_engine.py` for the block at `args`."""
    n_tasks, length, channels, states, chunk, groups = (
        _arg(args, 2), _arg(args, 3), _arg(args, 4), _arg(args, 5), _arg(args, 6), _arg(args, 7)
    )  # fmt: skip
    softplus_on = _arg(args, 8)
    u_at, u_batch, u_row = _arg(args, 11), _arg(args, 12), _arg(args, 13)
    delta_at, delta_batch, delta_row = _arg(args, 14), _arg(args, 15), _arg(args, 16)
    z_at, z_batch, z_row = _arg(args, 17), _arg(args, 18), _arg(args, 19)
    b_at, b_batch, b_row = _arg(args, 20), _arg(args, 21), _arg(args, 22)
    c_at, c_batch, c_row = _arg(args, 23), _arg(args, 24), _arg(args, 25)
    a_at, d_at, bias_at, mask_at, positions_at = (
        _arg(args, 26), _arg(args, 27), _arg(args, 28), _arg(args, 29), _arg(args, 30)
    )  # fmt: skip
    borders_at, borders_row, borders_chunk = _arg(args, 31), _arg(args, 32), _arg(args, 33)
    dout_at, dout_batch, dout_row = _arg(args, 34), _arg(args, 35), _arg(args, 36)
    grad_u_at, grad_delta_at, grad_z_at = _arg(args, 37), _arg(args, 38), _arg(args, 39)
    grad_b_at, grad_c_at, grad_a_at = _arg(args, 40), _arg(args, 41), _arg(args, 42)
    grad_d_at, grad_bias_at, grad_state_at = _arg(args, 43), _arg(args, 44), _arg(args, 45)

    buffer = chunk * BYTES
    dt_buf = _arg(args, 9) + take(args + 8) * _arg(args, 10)
    du_buf = dt_buf + BLOCK * buffer
    y_buf = du_buf + BLOCK * buffer
    dy_buf = y_buf + BLOCK * buffer
    ddt_buf = dy_buf + BLOCK * buffer
    ddu_buf = ddt_buf + BLOCK * buffer
    decay_buf = ddu_buf + BLOCK * buffer
    h_buf = decay_buf + STATES * buffer
    db_buf = h_buf + STATES * buffer
    dc_buf = db_buf + states * buffer

    vectors = channels // LANES
    state_size = 4 * channels
    row_size = state_size // 2 if half != 0 else state_size
    border_size = states * state_size
    n_chunks = (length + chunk - 1) // chunk
    batch = n_tasks // groups
    while True:
        task = take(args)
        if task >= n_tasks:
            return
        row, group = task // groups, task % groups
        u_task, delta_task, z_task = u_at + row * u_batch, delta_at + row * delta_batch, z_at + row * z_batch
        b_task, c_task, dout_task = b_at + row * b_batch, c_at + row * c_batch, dout_at + row * dout_batch
        rows_before = row * length
        mask = mask_at + rows_before * 4 if mask_at != 0 else 0
        positions = positions_at + rows_before * 8 if positions_at != 0 else 0
        grad_state, grad_a = grad_state_at + row * border_size, grad_a_at + row * border_size
        grad_d, grad_bias = grad_d_at + row * state_size, grad_bias_at + row * state_size
        partial = (group * batch + row) * length * states * 4
        first, last = group * vectors // groups, (group + 1) * vectors // groups
        for c_index in range(n_chunks - 1, -1, -1):
            start = c_index * chunk
            steps = min(chunk, length - start)
            chunk_positions = positions + 8 * start if positions != 0 else 0
            border = borders_at + row * borders_row + c_index * borders_chunk
            for k in range(2 * states * chunk):
                store(db_buf + k * BYTES, splat(0.0))
            for v in range(first, last, BLOCK):
                width = min(BLOCK, last - v)
                for t in range(steps):
                    keep = _keep(mask, start + t)
                    for i in range(width):
                        at = (v + i) * BYTES
                        u = load_row(u_task + (start + t) * u_row, v + i, half)
                        delta = load_row(delta_task + (start + t) * delta_row, v + i, half)
                        dt = _step_size(delta, load(bias_at + at), softplus_on) * keep
                        dy = load_row(dout_task + (start + t) * dout_row, v + i, half)
                        if z_at != 0:
                            z = load_row(z_task + (start + t) * z_row, v + i, half)
                            dy = dy * z * sigmoid(z)
                        here = i * buffer + t * BYTES
                        store(dt_buf + here, dt)
                        store(du_buf + here, dt * u)
                        store(y_buf + here, load(d_at + at) * u)
                        store(dy_buf + here, dy)
                        store(ddt_buf + here, splat(0.0))
                        store(ddu_buf + here, splat(0.0))
                for i in range(width):
                    dt_at, du_at, y_at = dt_buf + i * buffer, du_buf + i * buffer, y_buf + i * buffer
                    dy_at, ddt_at, ddu_at = dy_buf + i * buffer, ddt_buf + i * buffer, ddu_buf + i * buffer
                    for n in range(0, states, STATES):
                        at = n * state_size + (v + i) * BYTES
                        a2 = load_states(a_at + at, state_size)
                        g = load_states(grad_state + at, state_size)
                        da = load_states(grad_a + at, state_size)
                        b_from, c_from = b_task + start * b_row + 4 * n, c_task + start * c_row + 4 * n
                        db_at, dc_at = db_buf + n // STATES * chunk * WIDE, dc_buf + n // STATES * chunk * WIDE
                        begin = steps
                        while begin > 0:
                            end = begin
                            begin = _begin(chunk_positions, end)
                            opens = _begins(chunk_positions, begin)
                            h = _zeros() if opens else load_states(border + at, state_size)
                            for t in range(begin, end):
                                here = t * BYTES
                                b, c = load_coefficients(b_from + t * b_row), load_coefficients(c_from + t * c_row)
                                decay = exp2(widen(load(dt_at + here)) * a2)
                                store(decay_buf + t * WIDE, decay)
                                store(h_buf + t * WIDE, h)
                                h = decay * h + widen(load(du_at + here)) * b
                                store(y_at + here, load(y_at + here) + narrow(h * c))
                            for back in range(end - begin):
                                t = end - 1 - back
                                here, fold = t * BYTES, t * WIDE
                                b, c = load_coefficients(b_from + t * b_row), load_coefficients(c_from + t * c_row)
                                dy = widen(load(dy_at + here))
                                g = g + dy * c
                                store(dc_at + fold, load_wide(dc_at + fold) + dy * h)
                                store(db_at + fold, load_wide(db_at + fold) + g * widen(load(du_at + here)))
                                store(ddu_at + here, load(ddu_at + here) + narrow(g * b))
                                h = load_wide(h_buf + fold)
                                g = g * load_wide(decay_buf + fold)
                                through = g * h
                                store(ddt_at + here, load(ddt_at + here) + narrow(through * a2))
                                da = da + through * widen(load(dt_at + here))
                            if opens:
                                g = _zeros()
                        store_states(grad_state + at, state_size, g)
                        store_states(grad_a + at, state_size, da)
                for t in range(steps):
                    keep = _keep(mask, start + t)
                    for i in range(width):
                        at = (v + i) * BYTES
                        here = i * buffer + t * BYTES
                        to = (rows_before + start + t) * row_size
                        u = load_row(u_task + (start + t) * u_row, v + i, half)
                        dy = load(dy_buf + here)
                        ddu = load(ddu_buf + here)
                        if z_at != 0:
                            z = load_row(z_task + (start + t) * z_row, v + i, half)
                            s = sigmoid(z)
                            slope = s * (splat(1.0) + z * (splat(1.0) - s))
                            dout = load_row(dout_task + (start + t) * dout_row, v + i, half)
                            store_row(grad_z_at + to, v + i, half, dout * load(y_buf + here) * slope)
                        ddelta = (load(ddt_buf + here) * splat(LN_2) + ddu * u) * keep
                        if softplus_on != 0:
                            raw = load_row(delta_task + (start + t) * delta_row, v + i, half) + load(bias_at + at)
                            ddelta = ddelta * sigmoid(raw)
                        store_row(grad_delta_at + to, v + i, half, ddelta)
                        store_row(grad_u_at + to, v + i, half, ddu * load(dt_buf + here) + dy * load(d_at + at))
                        store(grad_d + at, load(grad_d + at) + dy * u)
                        store(grad_bias + at, load(grad_bias + at) + ddelta)
            for t in range(steps):
                to = partial + (start + t) * states * 4
                for n in range(states):
                    fold = (n // STATES * chunk + t) * WIDE + n % STATES * BYTES
                    store_scalar(grad_b_at + to + 4 * n, total(load(db_buf + fold)))
                    store_scalar(grad_c_at + to + 4 * n, total(load(dc_buf + fold)))


@njit(forceinline=True)
def _first(positions, t):
    """The first step of t's document, as far as t knows: the convolution at t reads nothing before it."""
    return max(t - load_int(positions + 8 * t), 0) if positions != 0 else 0


@njit(forceinline=True)
def _tap(x_task, x_row, v, half, mask, first, s):
    """The convolution's input at step s: zero before the first step of the document and at padding."""
    if s < first:
        return splat(0.0)
    return load_row(x_task + s * x_row, v, half) * _keep(mask, s)


@njit(forceinline=True)
def _convolve(x_task, x_row, v, half, mask, first, weight_at, tap_size, bias_at, width, t):
    at = v * BYTES
    acc = load(bias_at + at)
    oldest = t - width + 1
    if oldest >= first and mask == 0:  # the common case, without a question per tap
        for k in range(width):
            acc = acc + load(weight_at + k * tap_size + at) * load_row(x_task + (oldest + k) * x_row, v, half)
    else:
        for k in range(width):
            acc = acc + load(weight_at + k * tap_size + at) * _tap(x_task, x_row, v, half, mask, first, oldest + k)
    return acc


@njit(forceinline=True)
def _conv_forward(args, half):
    """One thread's share of silu(causal depthwise convolution)."""
    n_tasks, length, channels, width, groups = _arg(args, 2), _arg(args, 3), _arg(args, 4), _arg(args, 5), _arg(args, 7)
    x_at, x_batch, x_row = _arg(args, 11), _arg(args, 12), _arg(args, 13)
    weight_at, bias_at, mask_at, positions_at = _arg(args, 14), _arg(args, 15), _arg(args, 16), _arg(args, 17)
    out_at = _arg(args, 18)
    vectors = channels // LANES
    tap_size = 4 * channels
    row_size = tap_size // 2 if half != 0 else tap_size
    while True:
        task = take(args)
        if task >= n_tasks:
            return
        row, group = task // groups, task % groups
        x_task, out_task = x_at + row * x_batch, out_at + row * length * row_size
        mask = mask_at + row * length * 4 if mask_at != 0 else 0
        positions = positions_at + row * length * 8 if positions_at != 0 else 0
        for t in range(length):
            first = _first(positions, t)
            for v in range(group * vectors // groups, (group + 1) * vectors // groups):
                s = _convolve(x_task, x_row, v, half, mask, first, weight_at, tap_size, bias_at, width, t)
                store_row(out_task + t * row_size, v, half, s * sigmoid(s))


@njit(forceinline=True)
def _conv_backward(args, half):
    """One thread's share of the gradients of `conv_forward`; the convolution itself is computed again."""
    n_tasks, length, channels, width, chunk, groups = (
        _arg(args, 2), _arg(args, 3), _arg(args, 4), _arg(args, 5), _arg(args, 6), _arg(args, 7)
    )  # fmt: skip
    x_at, x_batch, x_row = _arg(args, 11), _arg(args, 12), _arg(args, 13)
    weight_at, bias_at, mask_at, positions_at = _arg(args, 14), _arg(args, 15), _arg(args, 16), _arg(args, 17)
    dout_at, dout_batch, dout_row = _arg(args, 18), _arg(args, 19), _arg(args, 20)
    grad_x_at, grad_weight_at, grad_bias_at = _arg(args, 21), _arg(args, 22), _arg(args, 23)
    ds_buf = _arg(args, 9) + take(args + 8) * _arg(args, 10)
    vectors = channels // LANES
    tap_size = 4 * channels
    row_size = tap_size // 2 if half != 0 else tap_size
    while True:
        task = take(args)
        if task >= n_tasks:
            return
        row, group = task // groups, task % groups
        x_task, dout_task = x_at + row * x_batch, dout_at + row * dout_batch
        mask = mask_at + row * length * 4 if mask_at != 0 else 0
        positions = positions_at + row * length * 8 if positions_at != 0 else 0
        grad_x, grad_bias = grad_x_at + row * length * row_size, grad_bias_at + row * tap_size
        grad_weight = grad_weight_at + row * width * tap_size
        low, high = group * vectors // groups, (group + 1) * vectors // groups
        for start in range(0, length, chunk):
            end = min(start + chunk, length)
            for v in range(low, high, BLOCK):
                side = min(BLOCK, high - v)
                # gradients before the silu, for this chunk and the few steps after it that its inputs reach
                for t in range(start, min(end + width - 1, length)):
                    first = _first(positions, t)
                    for i in range(side):
                        at = (v + i) * BYTES
                        s = _convolve(x_task, x_row, v + i, half, mask, first, weight_at, tap_size, bias_at, width, t)
                        sig = sigmoid(s)
                        slope = sig * (splat(1.0) + s * (splat(1.0) - sig))
                        ds = load_row(dout_task + t * dout_row, v + i, half) * slope
                        store(ds_buf + ((t - start) * BLOCK + i) * BYTES, ds)
                        if t < end:
                            store(grad_bias + at, load(grad_bias + at) + ds)
                            for k in range(width):
                                to = grad_weight + k * tap_size + at
                                x = _tap(x_task, x_row, v + i, half, mask, first, t - width + 1 + k)
                                store(to, load(to) + ds * x)
                for t in range(start, end):
                    keep = _keep(mask, t)
                    for i in range(side):
                        at = (v + i) * BYTES
                        dx = splat(0.0)
                        for k in range(width):
                            later = t + width - 1 - k
                            if later < length and _first(positions, later) <= t:
                                ds = load(ds_buf + ((later - start) * BLOCK + i) * BYTES)
                                dx = dx + load(weight_at + k * tap_size + at) * ds
                        store_row(grad_x + t * row_size, v + i, half, dx * keep)


# Each kernel twice: the constant is known when it is compiled, so that neither form asks about the other.


def forward_float32(args):
    _forward(args, 0)


def forward_bfloat16(args):
    _forward(args, 1)


def backward_float32(args):
    _backward(args, 0)


def backward_bfloat16(args):
    _backward(args, 1)


def conv_forward_float32(args):
    _conv_forward(args, 0)


def conv_forward_bfloat16(args):
    _conv_forward(args, 1)


def conv_backward_float32(args):
    _conv_backward(args, 0)


def conv_backward_bfloat16(args):
    _conv_backward(args, 1)
