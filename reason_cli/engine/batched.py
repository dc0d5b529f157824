"""Answers in batches, by transformers' `generate`: for models whose memory of a text grows with it (attention).

A batch lasts as long as its longest answer. On a CPU rows are padded to a length that follows from each of them alone,
and their number is a multiple of `LEAST_ROWS`, so that a row's numbers are computed in the same way in any batch. What
is left are last bits of torch's attention, which depend on the thread that computes them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import Embedding
from transformers import LogitsProcessor, PreTrainedModel, StoppingCriteria

from reason_cli.engine.row import Row
from reason_cli.engine.sampling import Choice
from reason_cli.errors import ReasonError

LEAST_ROWS = 16  # products with fewer rows, and what is left over of vectors, are computed with other last bits
BUCKET = 64  # on a CPU prompts are padded to a multiple of it
POSITIONS = re.compile(r"(wpe|embed_positions|positions_embed|position_embeddings)$")  # tables of learned positions


def pad_left(rows: Sequence[list[int]], length: int, padding: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, (rows, length) each, of rows that end at the right edge."""
    ids = torch.tensor([[padding] * (length - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask


def batched(model: PreTrainedModel, rows: Sequence[Row], size: int, padding: int, choose: Choice) -> Iterator[Row]:
    """`rows`, sorted by the length of their prompts, each when its batch of at most `size` is done."""
    bucket = BUCKET if model.device.type == "cpu" else sys.maxsize
    for _, group in groupby(rows, lambda row: -(-len(row.prompt) // bucket)):
        same = list(group)
        for start in range(0, len(same), size):
            batch = same[start : start + size]
            _generate(model, batch, padding, choose)
            yield from batch


def memory_bytes(model: PreTrainedModel, length: int) -> int:
    """What one row of `length` positions takes: keys and values of every layer, and the widest layer's numbers."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_attention_heads", None) or 1
    pairs = getattr(config, "num_key_value_heads", None) or heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    widest = max(config.hidden_size, getattr(config, "intermediate_size", None) or 4 * config.hidden_size)
    numbers = 2 * config.num_hidden_layers * pairs * size + 4 * widest
    return length * numbers * model.dtype.itemsize


@torch.inference_mode()
def _generate(model: PreTrainedModel, rows: list[Row], padding: int, choose: Choice) -> None:
    spare = -len(rows) % LEAST_ROWS if model.device.type == "cpu" else 0
    prompts = [row.prompt for row in rows] + [rows[0].prompt] * spare
    longest = max(map(len, prompts))
    length = -(-longest // BUCKET) * BUCKET if model.device.type == "cpu" else longest
    ids, mask = pad_left(prompts, length, padding, model.device)
    model.generate(  # type: ignore[operator]
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=min(rows[0].most, _room(model, longest)),
        do_sample=False,
        pad_token_id=padding,
        logits_processor=[_Saying(rows, choose)],
        stopping_criteria=[_Done(rows)],
    )


def _room(model: PreTrainedModel, longest: int) -> int:
    """The tokens that fit after a prompt of `longest` tokens, where positions are learned, as GPT-2's: it has no more.

    Raises `ReasonError` when not one does.
    """
    tables = (m for name, m in model.named_modules() if isinstance(m, Embedding) and POSITIONS.search(name))
    if next(tables, None) is None:
        return sys.maxsize
    context = int(model.config.max_position_embeddings)
    if longest >= context:
        raise ReasonError(
            f"a prompt of {longest:,} tokens does not fit in this model's context of {context:,}",
            "ask with fewer shots, or leave long questions out",
        )
    return context - longest


class _Saying(LogitsProcessor):
    """Lets each row say its token, and leaves `generate` no other choice."""

    def __init__(self, rows: Sequence[Row], choose: Choice) -> None:
        self._rows, self._choose = rows, choose

    def __call__(self, input_ids: torch.LongTensor, scores: Tensor) -> Tensor:  # type: ignore[override]
        """scores (rows, vocabulary); those after the last row only fill up the batch."""
        chosen = self._choose(scores, range(len(self._rows)), self._rows)
        said = [c if row.done else row.say(c) for row, c in zip(self._rows, chosen, strict=True)]
        only = torch.full_like(scores, float("-inf"))
        only[torch.arange(len(said)), torch.tensor(said)] = 0.0
        only[len(said) :, 0] = 0.0
        return only


class _Done(StoppingCriteria):
    """A row takes no more tokens when it is done; those that fill up the batch never need any."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __call__(self, input_ids: torch.LongTensor, scores: Tensor, **kwargs) -> Tensor:  # type: ignore[override]
        done = [row.done for row in self._rows]
        return torch.tensor(done + [True] * (len(input_ids) - len(done)), device=input_ids.device)
