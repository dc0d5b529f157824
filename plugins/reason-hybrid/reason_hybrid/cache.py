"""What a hybrid remembers between tokens: Mamba's state, and of each scale of attention the last entries of a window.

Its size does not depend on how much was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from reason_mamba.cache import MambaCache
from torch import Tensor

if TYPE_CHECKING:
    from .config import HybridConfig


@dataclass
class Rings:
    """One layer's keys and values, by scale: entry j stands in slot j % (window + 1).

    keys, values (b, z, g, window + 1, c): a token sees window entries; the slot beside them holds the entry that is not
    whole yet. tail (b, t, 2 g c): keys and values of the last t = largest scale - 1 tokens, before pooling.
    """

    keys: Tensor
    values: Tensor
    tail: Tensor

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.keys, self.values, self.tail

    @staticmethod
    def entries(x: Tensor, index: Tensor) -> Tensor:
        """Of entries (b, g, n, c) those of an index (b, m): (b, g, m, c)."""
        return x.gather(2, index[:, None, :, None].expand(-1, x.shape[1], -1, x.shape[3]))

    def write(self, scale: int, keys: Tensor, values: Tensor) -> None:
        """Keep these keys and values (b, g, window + 1, c) of a scale, in the order of their slots."""
        self.keys[:, scale], self.values[:, scale] = keys, values

    def write_tail(self, tail: Tensor) -> None:
        """Keep this as `tail`."""
        self.tail.copy_(tail)


class HybridCache(MambaCache):
    """The state of every layer of one batch; `lengths` (b,) are the tokens that each row has read, padding left out."""

    def __init__(self, layers: int) -> None:
        super().__init__(layers)
        self.rings: list[Rings | None] = [None] * layers
        self.lengths: Tensor | None = None

    def started(self, config: HybridConfig, like: Tensor) -> Tensor:
        """`lengths`; at the first call they are 0 and the rings empty, for rows of hidden states `like` (b, l, d)."""
        if self.lengths is None:
            rows, g, c = like.shape[0], config.n_kv_head, config.head_dim
            shape = (rows, config.n_scale, g, config.window + 1, c)
            tail = (rows, 2 ** (config.n_scale - 1) - 1, 2 * g * c)
            for layer in range(len(self.rings)):
                self.rings[layer] = Rings(like.new_zeros(shape), like.new_zeros(shape), like.new_zeros(tail))
            self.lengths = torch.zeros(rows, dtype=torch.long, device=like.device)
        return self.lengths

    def tensors(self) -> list[Tensor | None]:
        """All that is remembered of the rows, each (batch, ...); None where nothing was read yet."""
        own = [tensor for rings in self.rings if rings is not None for tensor in rings.tensors()]
        return [*super().tensors(), *own, self.lengths]

    def reorder_cache(self, beams: Tensor) -> None:
        """Keep the given batch rows, in that order; what beam search asks for."""
        super().reorder_cache(beams)
        self.rings = [
            rings and Rings(*(tensor.index_select(0, beams.to(tensor.device)) for tensor in rings.tensors()))
            for rings in self.rings
        ]
        if self.lengths is not None:
            self.lengths = self.lengths.index_select(0, beams.to(self.lengths.device))
