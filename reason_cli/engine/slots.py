"""The batch of a recurrent model: slots that advance together, one token at a time, and prompts read beside them.

All that is known of the model is that its forward pass gives a `RowCache`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from reason_cli.api import RowCache
from reason_cli.engine.batched import LEAST_ROWS, pad_left
from reason_cli.engine.graph import captured

CACHES = ("cache_params", "past_key_values")  # what models call it, in what they give and in what they take


@dataclass(frozen=True)
class Reading:
    """Prompts that were read: the logits after each (prompts, vocabulary), the cache, and the cache's keyword."""

    prompts: Sequence[list[int]]
    logits: Tensor
    cache: RowCache
    keyword: str


@torch.inference_mode()
def read(model: PreTrainedModel, prompts: Sequence[list[int]], padding: int) -> Reading | None:
    """Read prompts (token ids); None where the model keeps no state of constant size.

    They are padded on the left, and to `LEAST_ROWS` positions at least. A recurrent state passes through padding
    unchanged, so that a prompt gives the same numbers in any company.
    """
    ids, mask = pad_left(prompts, max(LEAST_ROWS, *map(len, prompts)), padding, model.device)
    keep = -(-LEAST_ROWS // len(prompts))  # the last alone would do, were there not too few rows for the vocabulary
    output = model(input_ids=ids, attention_mask=mask, use_cache=True, logits_to_keep=keep)
    for keyword in CACHES:
        cache = getattr(output, keyword, None)
        if isinstance(cache, RowCache):
            return Reading(prompts, output.logits[:, -1], cache, keyword)
    return None


class Slots:
    """A batch of which slot n goes on from the n-th of `rows` of a cache.

    On a CPU their number is rounded up to a multiple of `LEAST_ROWS`; what more there is computes what nobody looks at.
    """

    def __init__(self, model: PreTrainedModel, cache: RowCache, keyword: str, rows: Sequence[int]) -> None:
        if model.device.type == "cpu":
            rows = [*rows, *[rows[0]] * (-len(rows) % LEAST_ROWS)]
        kept, tokens = cache.keep(rows), torch.zeros(len(rows), 1, dtype=torch.long, device=model.device)

        def forward() -> Tensor:
            return model(input_ids=tokens, use_cache=True, **{keyword: kept}).logits[:, -1]

        self.keyword, self.width, self.cache, self._tokens, self._forward = keyword, len(rows), kept, tokens, forward
        if model.device.type == "cuda":
            self._forward = captured(forward)
            self.cache.put(range(self.width), cache.keep(rows))  # the capture's runs went on from it

    def step(self, tokens: Mapping[int, int]) -> Tensor:
        """Read one token in each of these slots; gives logits (width, vocabulary), good until the next step."""
        last = [tokens.get(slot, 0) for slot in range(self.width)]
        self._tokens.copy_(torch.tensor(last).unsqueeze(1))
        return self._forward()
