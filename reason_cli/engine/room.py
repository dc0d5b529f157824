"""How many answers fit in memory at a time: estimated before they are begun, and fewer when that was too many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from reason_cli.engine.free import free_bytes
from reason_cli.engine.row import Row
from reason_cli.engine.shortage import is_out_of_memory
from reason_cli.errors import ReasonError

SHARE = 0.8  # of the free memory; the rest is for what the estimate leaves out
LOGITS = 6  # float32 copies of a row's logits: the model's, those sorted and summed when sampling


def fitting(asked: int, row_bytes: int, vocabulary: int, device: torch.device) -> int:
    """At most `asked` rows, as many as fit: each takes `row_bytes` and its logits. One at least."""
    each = row_bytes + 4 * LOGITS * vocabulary
    return max(1, min(asked, int(SHARE * free_bytes(device)) // each))


def with_less_when_full(
    work: Callable[[Sequence[Row], int], Iterator[Row]], rows: Sequence[Row], size: int
) -> Iterator[Row]:
    """`work(rows, size)`, and again for what is left with half the size whenever the device's memory is full.

    Answers that were under way begin anew. Raises `ReasonError` when one alone does not fit.
    """
    left = list(rows)
    while left:
        done = set()
        try:
            for row in work(left, size):
                done.add(row.index)
                yield row
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if size == 1:
                raise ReasonError(
                    "the device's memory is full with one answer at a time",
                    "lower --max-new-tokens, or run with --device cpu",
                ) from None
        left = [row.anew() for row in left if row.index not in done]
        if left:
            size = max(1, size // 2)
            torch.cuda.empty_cache()
