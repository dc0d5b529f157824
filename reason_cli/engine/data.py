"""Examples to batches: held-out split, token ids and labels, the length limit, padding."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from reason_cli.api import Example, Text
from reason_cli.engine.chat import Encoded, encode
from reason_cli.engine.report import Reporter
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # the label that PyTorch's cross-entropy leaves out
CHUNK = 1_000  # items tokenised at a time


class TokenDataset:
    """Encoded examples by index, as `transformers.Trainer` wants them; kept as one array of 32-bit ids."""

    def __init__(self, rows: Sequence[Encoded]) -> None:
        import numpy as np

        self.lengths = [len(row.input_ids) for row in rows]
        self._starts = np.cumsum([0, *self.lengths])
        self._trained_from = [row.trained_from for row in rows]
        self._ids = np.fromiter(chain.from_iterable(row.input_ids for row in rows), dtype=np.int32)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`input_ids` and `labels` of a row, each (length,), int32."""
        ids = self._ids[self._starts[index] : self._starts[index + 1]]
        labels = ids.copy()
        labels[: self._trained_from[index]] = IGNORED
        return {"input_ids": ids, "labels": labels}

    @property
    def tokens(self) -> int:
        return len(self._ids)

    @property
    def trained_tokens(self) -> int:
        return len(self._ids) - sum(self._trained_from)


def split_held_out(
    items: Sequence[Example | Text], share: float, seed: int
) -> tuple[list[Example | Text], list[Example | Text]]:
    """(training, held out): seeded, at least one held out if `share` is over 0 and there are two or more.

    Items that ask the same question stay on one side.
    """
    groups: dict[str, list[Example | Text]] = {}
    for item in items:
        groups.setdefault(_question(item), []).append(item)
    keys = sorted(groups)
    random.Random(seed).shuffle(keys)
    count = max(1, round(share * len(keys))) if share and len(keys) > 1 else 0
    held = set(keys[:count])
    train = [item for key, group in groups.items() if key not in held for item in group]
    return train, [item for key in keys[:count] for item in groups[key]]


def _question(item: Example | Text) -> str:
    return " ".join((item.question if isinstance(item, Example) else item.text).split())


def tokenise(
    tokenizer: PreTrainedTokenizerBase,
    items: Sequence[Example | Text],
    *,
    system_prompt: str,
    max_seq_len: int,
    refuse_long: bool,
    report: Reporter,
) -> TokenDataset:
    """Encode every item; one over `max_seq_len` tokens is counted and dropped, or refused, never cut.

    Raises `ReasonError` when nothing is left, or at the first long item if `refuse_long`.
    """
    rows: list[Encoded] = []
    report.start("tokenising", len(items))
    for start in range(0, len(items), CHUNK):
        rows += encode(tokenizer, list(items[start : start + CHUNK]), system_prompt)
        report.update(len(rows), {})
    report.finish()
    kept = [row for row in rows if len(row.input_ids) <= max_seq_len]
    dropped = len(rows) - len(kept)
    longest = max((len(row.input_ids) for row in rows), default=0)
    if dropped and (refuse_long or not kept):
        raise ReasonError(
            f"{dropped} of {len(rows)} examples are longer than max_seq_len {max_seq_len} (the longest: {longest})",
            f"--set model.max_seq_len={longest}" + (", or --too-long drop" if kept else ""),
        )
    if dropped:
        report.warn(f"dropped {dropped} of {len(rows)} examples over max_seq_len {max_seq_len} (longest {longest})")
    return TokenDataset(kept)


@dataclass(frozen=True)
class Collator:
    """Rows to a right-padded batch: `input_ids`, `attention_mask`, `labels`, each (batch, longest row).

    Raises `ReasonError` when no token of the batch is trained: such a step would teach nothing, silently.
    """

    pad_token_id: int

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        import torch

        longest = max(len(row["input_ids"]) for row in rows)
        shape = (len(rows), longest)
        ids = torch.full(shape, self.pad_token_id, dtype=torch.long)
        mask = torch.zeros(shape, dtype=torch.long)
        labels = torch.full(shape, IGNORED, dtype=torch.long)
        for i, row in enumerate(rows):
            n = len(row["input_ids"])
            ids[i, :n] = torch.as_tensor(row["input_ids"])
            labels[i, :n] = torch.as_tensor(row["labels"])
            mask[i, :n] = 1
        # A causal model predicts token t from those before it, so the label at position 0 trains nothing.
        if not bool((labels[:, 1:] != IGNORED).any()):
            raise ReasonError(
                "a batch has no trained token: every label is masked",
                "check the data and the chat template; the assistant's turn must not be empty",
            )
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}
