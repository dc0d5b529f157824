"""A batch in parts: some of its rows at a time, each part no longer than its longest row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from reason_cli.engine.tokens import IGNORED


def parts_of(batch: Mapping[str, Any], size: int, pad_token_id: int, *, alike: bool = False) -> list[Mapping[str, Any]]:
    """The rows of a batch of `batches.Collator`, `size` at a time (the last part may have fewer), in their order, or
    with `alike` in that of their lengths, so that rows of like length go together.

    Tensors of (rows, length) are cut; what else a batch holds goes with each part.
    """
    ids = batch["input_ids"]
    if len(ids) <= size:
        return [batch]
    # Where a row's padding begins: no token from there on is learned, so without it nothing changes.
    real = (ids != pad_token_id) | (batch["labels"] != IGNORED)
    lengths = (real * torch.arange(1, ids.shape[1] + 1, device=ids.device)).amax(dim=1).tolist()
    order = sorted(range(len(ids)), key=lambda row: lengths[row]) if alike else list(range(len(ids)))
    return [
        _part(batch, rows, max(lengths[row] for row in rows))
        for rows in (order[start : start + size] for start in range(0, len(ids), size))
    ]


def _part(batch: Mapping[str, Any], rows: list[int], length: int) -> dict[str, Any]:
    return {name: value[rows, :length] if torch.is_tensor(value) else value for name, value in batch.items()}
