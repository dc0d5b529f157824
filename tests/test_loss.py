"""The loss from hidden states: the plain one's value and gradients, without its logits."""

import pytest
import torch
import torch.nn.functional as F

from reason_cli import linear_cross_entropy, loss

VOCABULARY, WIDTH = 101, 12


@pytest.fixture
def chunks(monkeypatch):
    """Chunks of seven positions."""
    monkeypatch.setattr(loss, "CHUNK_BYTES", 7 * 4 * VOCABULARY)


def inputs(rows, dtype=torch.float32):
    torch.manual_seed(rows)
    hidden = torch.randn(rows, WIDTH, dtype=dtype, requires_grad=True)
    weight = (torch.randn(VOCABULARY, WIDTH, dtype=dtype)).requires_grad_()
    return hidden, weight, torch.randint(0, VOCABULARY, (rows,))


def plain(hidden, weight, targets):
    return F.cross_entropy(F.linear(hidden, weight).float(), targets, reduction="sum")


def with_gradients(function, hidden, weight, targets, scale=1.0):
    hidden.grad = weight.grad = None
    value = function(hidden, weight, targets)
    (value * scale).backward()
    return value.detach(), hidden.grad, weight.grad


@pytest.mark.parametrize("rows", [0, 1, 6, 7, 8, 50])
def test_value_and_gradients_are_the_plain_ones_whatever_is_left_for_the_last_chunk(rows, chunks):
    given = inputs(rows)
    for ours, theirs in zip(
        with_gradients(linear_cross_entropy, *given, scale=0.25), with_gradients(plain, *given, scale=0.25), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_positions_that_are_not_trained_give_nothing_even_where_they_fill_a_chunk(chunks):
    hidden, weight, targets = inputs(25)
    targets[3] = targets[7:16] = loss.IGNORED
    ours = with_gradients(linear_cross_entropy, hidden, weight, targets)
    theirs = with_gradients(plain, hidden, weight, targets)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)
    assert not ours[1][7:16].any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_rounds_the_products_and_nothing_else(dtype, chunks):
    given = inputs(40)
    exact = with_gradients(plain, *given)
    with torch.autocast("cpu", dtype):
        near = with_gradients(linear_cross_entropy, *given)
    assert [t.dtype for t in near] == [torch.float32] * 3
    for mine, other in zip(near, exact, strict=True):
        assert 0 < (mine - other).norm() / other.norm() < 0.01


def test_weights_of_16_bits_get_gradients_of_16_bits(chunks):
    given = inputs(40, torch.bfloat16)
    near, theirs = with_gradients(linear_cross_entropy, *given), with_gradients(plain, *given)
    assert [t.dtype for t in near] == [torch.float32, torch.bfloat16, torch.bfloat16]
    for mine, other in zip(near, theirs, strict=True):
        assert (mine - other).norm() / other.norm() < 0.02


def test_gradients_add_up_over_passes(chunks):
    first, (hidden, weight, targets) = inputs(9), inputs(30)
    with_gradients(linear_cross_entropy, hidden, weight, targets)
    once = weight.grad.clone()
    linear_cross_entropy(first[0], weight, first[2]).backward()
    _, _, other = with_gradients(plain, first[0], weight.detach().requires_grad_(), first[2])
    torch.testing.assert_close(weight.grad, once + other, rtol=1e-5, atol=1e-5)


def test_only_what_is_asked_for_is_computed(chunks):
    hidden, weight, targets = inputs(20)
    linear_cross_entropy(hidden, weight.detach(), targets).backward()
    assert hidden.grad is not None
    with torch.no_grad():
        value = linear_cross_entropy(hidden, weight, targets)
    assert not value.requires_grad
    torch.testing.assert_close(value, plain(hidden, weight, targets).detach())


def test_a_second_backward_pass_is_refused_rather_than_wrong():
    value = linear_cross_entropy(*inputs(5))
    value.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="inplace"):
        value.backward()


def test_logits_are_held_a_chunk_at_a_time(chunks):
    seen = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            seen.extend(t.shape for t in [result] if isinstance(t, torch.Tensor) and VOCABULARY in t.shape[-1:])
            return result

    hidden, weight, targets = inputs(50)
    with Watch():
        linear_cross_entropy(hidden, weight, targets).backward()
    assert {shape[0] for shape in seen if shape[0] != WIDTH} == {7, 1}


def test_chunks_are_even_and_within_the_budget():
    rows = loss.chunk_rows(8 * 1024, 50_257)  # the budget holds 333 positions: 25 chunks
    assert rows == 328 and 8 * 1024 - 24 * rows == 320
    assert loss.chunk_rows(3, 2**40) == 1
