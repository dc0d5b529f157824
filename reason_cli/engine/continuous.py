"""Answers with rows that come and go (continuous batching), for models with a recurrent state of constant size.

A slot whose answer is done takes the next prompt, whose state is read beside the batch and written over the old one.
Towards the end, when nothing waits any more, free slots are given up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import torch
from transformers import PreTrainedModel

from reason_cli.engine.batched import LEAST_ROWS
from reason_cli.engine.row import Row
from reason_cli.engine.sampling import Choice
from reason_cli.engine.slots import Reading, Slots, read

WORTH = 0.75  # slots are given up when so large a share of them is enough
LATER = 16  # prompts wait until one slot in so many is free: read together they cost less
POSITIONS = {"cpu": 512, "cuda": 16_384}  # of prompts read at a time; more would only take more memory


@torch.inference_mode()
def continuous(
    model: PreTrainedModel, first: Reading, rows: Sequence[Row], size: int, padding: int, choose: Choice
) -> Iterator[Row]:
    """`rows`, each when it is done, at most `size` of them at a time. `first` is what was read of the first prompt."""
    batch = _Batch(model, first, min(size, len(rows)), padding, choose)
    waiting = deque(rows)
    while waiting or batch.rows:
        yield from batch.take(waiting)
        if batch.rows:
            yield from batch.step()
        if not waiting:
            batch.shrink()


class _Batch:
    """`rows` are those in work, by slot."""

    def __init__(self, model: PreTrainedModel, first: Reading, size: int, padding: int, choose: Choice) -> None:
        self._model, self._reading, self._padding, self._choose = model, first, padding, choose
        self._device = model.device.type
        self._slots = Slots(model, first.cache, first.keyword, [0] * size)
        self._free = list(range(size))
        self.rows: dict[int, Row] = {}

    def take(self, waiting: deque[Row]) -> Iterator[Row]:
        """Begin answers in free slots; gives those that end with their first token."""
        size = len(self._free) + len(self.rows)
        worth = min(len(waiting), -(-size // LATER)) if self.rows else 1
        while waiting and len(self._free) >= worth:
            fits = POSITIONS.get(self._device, POSITIONS["cuda"]) // max(LEAST_ROWS, len(waiting[0].prompt))
            yield from self._begin([waiting.popleft() for _ in range(min(len(self._free), len(waiting), max(1, fits)))])

    def _begin(self, rows: list[Row]) -> Iterator[Row]:
        prompts = list({tuple(row.prompt): row.prompt for row in rows}.values())
        if prompts != self._reading.prompts:
            reading = read(self._model, prompts, self._padding)
            assert reading is not None
            self._reading = reading
        places = [prompts.index(row.prompt) for row in rows]
        going: list[tuple[int, int]] = []  # slot, place
        for row, place, token in zip(rows, places, self._choose(self._reading.logits, places, rows), strict=True):
            row.say(token)
            if row.done:
                yield row
            else:
                going.append((self._free.pop(), place))
                self.rows[going[-1][0]] = row
        if going:
            self._slots.cache.put([slot for slot, _ in going], self._reading.cache.keep([place for _, place in going]))

    def step(self) -> Iterator[Row]:
        """One token more for every row in work; gives those that are done."""
        logits = self._slots.step({slot: row.said[-1] for slot, row in self.rows.items()})
        slots, rows = list(self.rows), list(self.rows.values())
        for slot, row, token in zip(slots, rows, self._choose(logits, slots, rows), strict=True):
            row.say(token)
            if row.done:
                del self.rows[slot]
                self._free.append(slot)
                yield row

    def shrink(self) -> None:
        """Give up free slots for good, on a CPU, where each costs its share of a step."""
        used = -(-len(self.rows) // LEAST_ROWS) * LEAST_ROWS
        if self._device != "cpu" or not 0 < used <= WORTH * self._slots.width:
            return
        self._slots = Slots(self._model, self._slots.cache, self._slots.keyword, list(self.rows))
        self.rows = dict(enumerate(self.rows.values()))
        self._free = []
