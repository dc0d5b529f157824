"""Rows to padded batches of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reason_cli.engine.tokens import IGNORED
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Collator:
    """Rows to a right-padded batch: `input_ids` and `labels`, each (batch, longest row), int64, and beside them
    `attention_mask`, or where a row is packed `position_ids`: padding is then a document of its own, not learned.

    Raises `ReasonError` when no token of the batch is trained: such a step would teach nothing, silently. A batch of
    `dealing.Dealt`'s idle rows alone is meant to.
    """

    pad_token_id: int

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        import torch

        longest = max(len(row["input_ids"]) for row in rows)
        shape = (len(rows), longest)
        ids = torch.full(shape, self.pad_token_id, dtype=torch.long)
        labels = torch.full(shape, IGNORED, dtype=torch.long)
        positions = torch.zeros(shape, dtype=torch.long)
        mask = torch.zeros(shape, dtype=torch.long)
        for i, row in enumerate(rows):
            n = len(row["input_ids"])
            ids[i, :n] = torch.as_tensor(row["input_ids"])
            labels[i, :n] = torch.as_tensor(row["labels"])
            positions[i, :n] = torch.as_tensor(row["position_ids"]) if "position_ids" in row else torch.arange(n)
            positions[i, n:] = torch.arange(longest - n)
            mask[i, :n] = 1
        # A causal model predicts token t from those before it, so the label at position 0 trains nothing.
        if not bool((labels[:, 1:] != IGNORED).any()) and not all("idle" in row for row in rows):
            raise ReasonError(
                "a batch has no trained token: every label is masked",
                "check the data and the chat template; the assistant's turn must not be empty",
            )
        packed = any("position_ids" in row for row in rows)
        # With a cache transformers' models would take all positions of a row for one document.
        beside: dict[str, Any] = {"position_ids": positions, "use_cache": False} if packed else {"attention_mask": mask}
        return {"input_ids": ids, **beside, "labels": labels}
