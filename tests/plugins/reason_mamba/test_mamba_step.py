"""One token per row: the kernels and plain torch, and both beside the scan and the convolution over time."""

import pytest
import torch
from reason_mamba.scan import cpu_step, torch_engine, torch_step

ROWS, WIDTH = 5, 4


@pytest.fixture(params=[(96, 8), (48, 5), (20, 16)], ids=["whole vectors", "odd states", "odd channels"])
def shape(request):
    return request.param


@pytest.fixture
def weights(shape):
    channels, states = shape
    A = -torch.rand(channels, states) * 3
    D, delta_bias, bias = (torch.randn(channels) for _ in range(3))
    return A, D, delta_bias, torch.randn(channels, WIDTH), bias


def inputs(shape, dtype):
    """x, delta and z side by side in memory, as a projection gives them; B and C likewise."""
    channels, states = shape
    x, delta, z = torch.randn(ROWS, 3 * channels).to(dtype).chunk(3, -1)
    B, C = torch.randn(ROWS, 2 * states).to(dtype).chunk(2, -1)
    return x, delta, z, B, C


def state_of(shape, rows=ROWS):
    return torch.randn(rows, shape[1], shape[0]).mT


@pytest.mark.parametrize("kind", [torch_step.Step, cpu_step.Step])
def test_steps_one_by_one_are_the_scan_over_time(kind, shape, weights):
    A, D, delta_bias, weight, bias = weights
    step, times = kind(*weights), [inputs(shape, torch.float32) for _ in range(6)]
    x, delta, z, B, C = (torch.stack(each, 1) for each in zip(*times, strict=True))
    conv, ssm = torch.zeros(ROWS, WIDTH - 1, shape[0]), torch.zeros_like(state_of(shape))
    want_conv = torch_engine.conv_silu(x, weight, bias)
    want, last = torch_engine.scan(want_conv, delta, A, B, C, D, z, delta_bias, True)
    for t, (x_t, delta_t, z_t, B_t, C_t) in enumerate(times):
        u = step.convolve(x_t, conv)
        assert (u - want_conv[:, t]).abs().max() < 1e-5
        assert (step.scan(u, delta_t, B_t, C_t, z_t, ssm) - want[:, t]).abs().max() < 1e-4
    assert (ssm - last).abs().max() < 1e-4
    assert torch.equal(conv, x[:, -3:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", ["states first", "channels first"])
def test_the_kernels_agree_with_plain_torch(shape, weights, dtype, layout):
    plain, fused = torch_step.Step(*weights), cpu_step.Step(*weights)
    x, delta, z, B, C = inputs(shape, dtype)
    conv, ssm = torch.randn(ROWS, WIDTH - 1, shape[0]).to(dtype), state_of(shape)
    if layout == "channels first":
        ssm = ssm.contiguous()
    outputs = []
    for step in (plain, fused):
        states = conv.clone(), ssm.clone()
        outputs.append([step.convolve(x, states[0]), step.scan(x, delta, B, C, z, states[1]), *states])
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    for got, want in zip(*outputs, strict=True):
        assert got.dtype == want.dtype
        assert ((got - want).float().abs() / (1 + want.float().abs())).max() < tolerance


def test_whole_vectors_are_left_to_the_kernels(weights, shape, monkeypatch):
    ran = []
    monkeypatch.setattr(cpu_step.pool, "run", lambda *given: ran.append(given))
    step = cpu_step.Step(*weights)
    x, delta, z, B, C = inputs(shape, torch.float32)
    step.convolve(x, torch.zeros(ROWS, WIDTH - 1, shape[0]))
    step.scan(x, delta, B, C, z, state_of(shape))
    assert len(ran) == (2 if shape == (96, 8) else 0)


def test_a_row_by_itself_is_what_it_is_in_a_batch(weights, shape):
    step = cpu_step.Step(*weights)
    x, delta, z, B, C = inputs(shape, torch.float32)
    conv, ssm = torch.randn(ROWS, WIDTH - 1, shape[0]), state_of(shape)
    alone = conv[2:3].clone(), ssm.mT[2:3].clone().mT
    together = step.convolve(x, conv), step.scan(x, delta, B, C, z, ssm)
    one = slice(2, 3)
    by_itself = (
        step.convolve(x[one], alone[0]),
        step.scan(x[one], delta[one], B[one], C[one], z[one], alone[1]),
    )
    if shape == (96, 8):
        assert all(torch.equal(a[one], b) for a, b in zip((*together, conv, ssm), (*by_itself, *alone), strict=True))
    else:
        assert all((a[one] - b).abs().max() < 1e-5 for a, b in zip(together, by_itself, strict=True))
