"""Rows for several processes: each gets as many batches as the others, filled up with rows that teach nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reason_cli.engine.tokens import IGNORED

if TYPE_CHECKING:
    from reason_cli.engine.packing import PackedDataset
    from reason_cli.engine.tokens import TokenDataset


@dataclass(frozen=True)
class Dealt:
    """Rows by index, and after the last one an idle one: a token that is read and not learned, and is no padding.

    In a step that has fewer rows than the processes could take, some compute idle rows only, because they exchange
    gradients with the others; the sums that one process alone would have are left as they are.
    """

    rows: TokenDataset | PackedDataset
    pad_token_id: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> Sequence[int]:
        return self.rows.lengths  # type: ignore[return-value]

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index < len(self.rows):
            return self.rows[index]
        token = np.array([int(self.pad_token_id == 0)], np.int32)
        return {"input_ids": token, "labels": np.full(1, IGNORED, np.int32), "idle": True}
