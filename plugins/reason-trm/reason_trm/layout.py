"""Rows whose tokens are moved so that what is read together stands together, whatever stood between them.

Glossary: b rows, l columns as they were given, n columns as they are read.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """index (b, n): the given column that a column is; real (b, n): whether it is one at all."""

    index: Tensor
    real: Tensor

    @classmethod
    def of(cls, chosen: Tensor, *, left: bool) -> Layout:
        """The chosen tokens (b, l) of each row in their order, at the left edge or the right one."""
        width = int(chosen.sum(1).max()) if chosen.numel() else 0
        order = chosen.to(torch.int8).argsort(dim=1, stable=True, descending=left)
        index = order[:, :width] if left else order[:, order.shape[1] - width :]
        return cls(index, chosen.gather(1, index))

    @property
    def width(self) -> int:
        return self.index.shape[1]

    def take(self, given: Tensor) -> Tensor:
        """given (b, l) to (b, n); what is no column is any."""
        return given.gather(1, self.index)

    def put(self, into: Tensor, read: Tensor) -> Tensor:
        """into (b, l, d) with read (b, n, d) in its places."""
        rows, columns = self.real.nonzero(as_tuple=True)
        return into.index_put((rows, self.index[rows, columns]), read[rows, columns].to(into.dtype))


def thinking(ids: Tensor, trigger: int, done: Tensor) -> Tensor:
    """Where ids (b, l) are the trigger or come after it (b, l), in rows that have not thought before, done (b,)."""
    begun = (ids == trigger).to(torch.int8).cummax(1).values.bool()
    return begun & ~done[:, None]
