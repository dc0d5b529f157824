"""Where the tokens of a batch stand: by row and column as they are given, and by document and position as attention
needs them. Padding and packing end here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """Documents to be read from their first token, one per row, and back.

    source (r, l'): the flat index, row * l + column, of each document's tokens; 0 beyond a document's end.
    target (b, l): the flat index, document * l' + position, of each token; 0 for padding, whatever stands there.
    lengths (r,): the tokens of each document.
    """

    source: Tensor
    target: Tensor
    lengths: Tensor

    def documents(self, x: Tensor) -> Tensor:
        """x (b, l, ...) by document and position (r, l', ...)."""
        return taken(x, self.source)

    def rows(self, x: Tensor) -> Tensor:
        """x (r, l', ...) by row and column (b, l, ...)."""
        return taken(x, self.target)


def taken(x: Tensor, index: Tensor) -> Tensor:
    """Tokens of x (b, l, ...) by flat index (b', l'): (b', l', ...)."""
    return x.flatten(0, 1)[index]


def layout_of(mask: Tensor | None, positions: Tensor | None, shape: torch.Size) -> Layout | None:
    """The layout of a batch (b, l); None where each row is a document that begins in column 0.

    mask (b, l) is 0 at padding. positions (b, l) are 0 where a document begins, None where a row holds one alone.
    """
    if positions is None and (mask is None or bool(mask[:, 0].all())):
        return None  # padding on the right comes after all that is real, where nothing real sees it
    device = None if positions is None else positions.device
    real = torch.ones(shape, dtype=torch.bool, device=device) if mask is None else mask != 0
    begins = torch.zeros_like(real) if positions is None else (positions == 0) & real
    begins[:, 0] = True
    document = begins.flatten().cumsum(0).view(shape) - 1
    seen = real.cumsum(1)
    before = torch.where(begins, seen - real.long(), 0).cummax(1).values  # real tokens ahead of the document
    position = seen - 1 - before
    count = int(document[-1, -1]) + 1
    lengths = torch.zeros(count, dtype=torch.long, device=real.device)
    lengths = lengths.scatter_reduce(0, document[real], position[real] + 1, "amax")
    longest = max(1, int(lengths.max()))
    target = torch.where(real, document * longest + position, 0)
    source = torch.zeros(count * longest, dtype=torch.long, device=real.device)
    columns = torch.arange(shape[0] * shape[1], device=real.device).view(shape)
    source[target[real]] = columns[real]
    return Layout(source.view(count, longest), target, lengths)
