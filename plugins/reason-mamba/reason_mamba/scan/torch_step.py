"""One token for each row, in plain torch: what generation does, with the state advanced in place."""

import torch
import torch.nn.functional as F
from torch import Tensor


class Step:
    """A layer's convolution and scan for one token per row, without gradients.

    It holds what follows from the layer's weights alone, so it is good for as long as these do not change.
    A (d_inner, d_state), negative; D, delta_bias and bias (d_inner,), a bias may be None; weight (d_inner, width).
    """

    def __init__(self, A: Tensor, D: Tensor, delta_bias: Tensor | None, weight: Tensor, bias: Tensor | None) -> None:
        self.A, self.D, self.weight = A.float(), D.float(), weight.float()
        self.delta_bias = torch.zeros_like(self.D) if delta_bias is None else delta_bias.float()
        self.bias = torch.zeros_like(self.D) if bias is None else bias.float()

    def convolve(self, x: Tensor, state: Tensor) -> Tensor:
        """silu of the convolution at x (batch, d_inner); `state` (batch, width - 1, d_inner), the inputs before it."""
        taps = torch.cat([state, x.unsqueeze(1)], dim=1)
        state.copy_(taps[:, 1:])
        return F.silu((taps * self.weight.t()).sum(1) + self.bias).to(x.dtype)

    def scan(self, u: Tensor, delta: Tensor, B: Tensor, C: Tensor, z: Tensor, state: Tensor) -> Tensor:
        """The scan's output, gated. u, delta, z (batch, d_inner), B, C (batch, d_state).

        `state` (batch, d_inner, d_state) is float32; delta has neither bias nor softplus yet.
        """
        exact = u.float()
        dt = F.softplus(delta.float() + self.delta_bias)
        state.mul_(torch.exp(dt.unsqueeze(-1) * self.A))
        state.add_((dt * exact).unsqueeze(-1) * B.float().unsqueeze(1))
        y = (state * C.float().unsqueeze(1)).sum(-1) + self.D * exact
        return (y * F.silu(z.float())).to(u.dtype)
