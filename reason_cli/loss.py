"""Next-token cross-entropy from hidden states, without the logits of all positions at once.

Logits are computed for a chunk of positions, turned into that chunk's loss and gradients in place, and forgotten; the
next chunk takes their memory. Gradients are computed in the forward pass (as in Liger Kernel, arXiv 2410.10989), so
that no product is done twice: what waits for the backward pass is one row per position and one gradient of the head.
It knows tensors and no models.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

IGNORED = -100  # the target of a position that is not trained, as in torch.nn.functional.cross_entropy
CHUNK_BYTES = 64 * 2**20  # of one chunk's float32 logits; less, and the head's gradient is read and written too often


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """The summed cross-entropy of `hidden @ weight.T`; see `reason_cli.linear_cross_entropy`."""
    wanted = torch.is_grad_enabled()
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    return _LinearCrossEntropy.apply(hidden, weight, targets, dtype, wanted)


def chunk_rows(rows: int, vocabulary: int) -> int:
    """How many of `rows` positions one chunk takes: as even as they come, at most `CHUNK_BYTES` of float32 logits."""
    most = max(1, CHUNK_BYTES // (4 * vocabulary))
    chunks = max(1, -(-rows // most))
    return max(1, -(-rows // chunks))


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype, wanted: bool) -> Tensor:
        """The sum over targets that are not ignored; with `wanted`, gradients for its inputs are kept.

        `dtype` is that of the matrix products; exponentials, sums and the weight's gradient are float32 (or float64).
        """
        for_hidden, for_weight = (wanted and needed for needed in ctx.needs_input_grad[:2])
        exact = torch.promote_types(dtype, torch.float32)
        grad_hidden = torch.empty_like(hidden) if for_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=exact) if for_weight else None
        total = torch.zeros((), dtype=exact, device=hidden.device)
        size = chunk_rows(len(hidden), len(weight))
        given = weight.dtype
        with torch.autocast(hidden.device.type, enabled=False):
            weight = weight.to(dtype)
            for start in range(0, len(hidden), size):
                chunk = slice(start, start + size)
                rows = hidden[chunk].to(dtype)
                logits = torch.mm(rows, weight.t()).to(exact)
                total += _replace_by_gradient(logits, targets[chunk])
                gradient = logits.to(dtype)
                del logits
                if grad_hidden is not None:
                    grad_hidden[chunk] = torch.mm(gradient, weight)
                if grad_weight is not None and dtype == exact:
                    grad_weight.addmm_(gradient.t(), rows)
                elif grad_weight is not None:
                    grad_weight += torch.mm(gradient.t(), rows)
                del gradient  # the next chunk's logits take its place
        ctx.save_for_backward(grad_hidden, grad_weight)
        ctx.weight_dtype = given
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        """What forward kept, times the gradient of the sum; in place, so a second backward pass is an error."""
        grad_hidden, grad_weight = ctx.saved_tensors
        if grad_hidden is not None:
            grad_hidden *= scale
        if grad_weight is not None:
            grad_weight = grad_weight.mul_(scale).to(ctx.weight_dtype)
        return grad_hidden, grad_weight, None, None, None


def _replace_by_gradient(logits: Tensor, targets: Tensor) -> Tensor:
    """Logits (m, v) become the gradient of the summed cross-entropy, in place; gives that sum."""
    trained = (targets != IGNORED).to(logits.dtype).unsqueeze(1)  # (m, 1)
    index = targets.clamp(min=0).unsqueeze(1)
    logits -= logits.amax(1, keepdim=True)
    chosen = logits.gather(1, index)
    total = logits.exp_().sum(1, keepdim=True)
    logits *= trained / total
    logits.scatter_add_(1, index, -trained)
    return ((total.log() - chosen) * trained).sum()
