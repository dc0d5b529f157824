"""What a Mamba remembers between tokens: two small tensors per layer, whatever the length of the text so far."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import torch
from torch import Tensor

from .scan.torch_step import Step


class MambaCache:
    """The recurrent state of every layer of one batch. Its size does not depend on how many tokens were read.

    conv[layer]: (batch, d_conv - 1, d_inner), the last inputs of the convolution, oldest first.
    ssm[layer]: (batch, d_inner, d_state), float32, the state of the selective scan.
    `seen` is the number of columns read, padding included. `steps[layer]` is what follows from the layer's weights and
    is used at each token: it lives here, because a state is worth nothing any more when the weights have changed.
    """

    is_compileable = False  # asked by transformers' generate before it compiles a forward pass by itself

    def __init__(self, layers: int) -> None:
        self.conv: list[Tensor | None] = [None] * layers
        self.ssm: list[Tensor | None] = [None] * layers
        self.steps: list[Step | None] = [None] * layers
        self.seen = 0

    @property
    def nbytes(self) -> int:
        """The memory of all rows."""
        return sum(state.nbytes for state in self.tensors() if state is not None)

    def tensors(self) -> list[Tensor | None]:
        """All that is remembered of the rows, each (batch, ...); None where nothing was read yet."""
        return [*self.conv, *self.ssm]

    def keep(self, rows: Sequence[int]) -> MambaCache:
        """A new cache of these rows, in that order; a row may be asked for more than once."""
        kept = copy(self)
        kept.steps = [None] * len(self.steps)
        kept.reorder_cache(torch.tensor(rows))
        return kept

    def put(self, rows: Sequence[int], other: MambaCache) -> None:
        """Overwrite these rows, in place, with those of another cache, in their order."""
        where = torch.tensor(rows)
        for mine, theirs in zip(self.tensors(), other.tensors(), strict=True):
            if mine is not None and theirs is not None:
                mine.index_copy_(0, where.to(mine.device), theirs.to(mine.dtype))

    def reorder_cache(self, beams: Tensor) -> None:
        """Keep the given batch rows, in that order; what beam search asks for."""
        self.conv = [state if state is None else _select(state, beams) for state in self.conv]
        # the memory stays (batch, d_state, d_inner), as the `cpu` engine wants it
        self.ssm = [state if state is None else _select(state.mT, beams).mT for state in self.ssm]

    def steps_in_place(self, layer: int, hidden: Tensor, mask: Tensor | None) -> bool:
        """Whether reading `hidden` (batch, length, d_model) may overwrite the state: one real token, no gradients."""
        state = self.ssm[layer]
        if state is None or hidden.shape[1] != 1 or mask is not None or torch.is_grad_enabled():
            return False
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return False
        return torch.is_inference_mode_enabled() or not state.is_inference()

    def roll_conv(self, layer: int, x: Tensor, mask: Tensor | None, width: int) -> Tensor:
        """x (batch, length, d_inner) with the width - 1 inputs before it in front; remembers the last real ones.

        Padding, where `mask` (batch, length) is 0, counts as zeros, and padding at the end is not remembered.
        """
        before = self.conv[layer]
        if before is None:
            before = x.new_zeros(x.shape[0], width - 1, x.shape[2])
        if mask is not None:
            x = x * mask.unsqueeze(-1).to(x.dtype)
        joined = torch.cat([before.to(x.dtype), x], dim=1)
        if mask is None:
            self.conv[layer] = joined[:, x.shape[1] :].clone()  # a view would keep the whole prompt in memory
            return joined
        steps = torch.arange(1, x.shape[1] + 1, device=x.device)
        end = (steps * (mask > 0)).amax(dim=1)  # one past the last real step; 0 where a row is all padding
        columns = end.unsqueeze(1) + torch.arange(width - 1, device=x.device)  # (batch, width - 1)
        self.conv[layer] = joined.gather(1, columns.unsqueeze(-1).expand(-1, -1, x.shape[2]))
        return joined


def _select(state: Tensor, rows: Tensor) -> Tensor:
    return state.index_select(0, rows.to(state.device))
