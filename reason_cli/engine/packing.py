"""Short rows side by side in one: less padding, each document still on its own.

A packed row says by `position_ids` that begin again at 0 where a document begins; the architecture resets its state,
or closes its attention, there. The first token of a document follows from nothing, so it is not learned.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from reason_cli.engine.tokens import IGNORED, TokenDataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW = 10_000  # rows that are fitted together, picked at random so that each packed row is a mix


@dataclass(frozen=True)
class PackedDataset:
    """Rows of a `TokenDataset` joined to longer ones; `groups` are the row numbers that share each packed row."""

    rows: TokenDataset
    groups: Sequence[Sequence[int]]
    lengths: NDArray[np.int32]
    sources: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`input_ids`, `labels` and `position_ids` of a packed row, each (length,), int32."""
        return join([self.rows[row] for row in self.groups[index]])

    @property
    def tokens(self) -> int:
        return self.rows.tokens

    @property
    def trained_tokens(self) -> int:
        return self.rows.trained_tokens


def join(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Documents as one packed row."""
    import numpy as np

    labels = [row["labels"].copy() for row in rows]
    for own in labels:
        own[0] = IGNORED
    return {
        "input_ids": np.concatenate([row["input_ids"] for row in rows]),
        "labels": np.concatenate(labels),
        "position_ids": np.concatenate([np.arange(len(row["input_ids"]), dtype=np.int32) for row in rows]),
    }


def pack(rows: TokenDataset, size: int, seed: int, *, texts_only: bool) -> PackedDataset:
    """The rows in as few packed ones of at most `size` tokens as best fit finds; rows of one source stay together.

    With `texts_only` a row that is not learned whole stays alone.
    """
    import numpy as np

    groups: list[list[int]] = []
    joins = _whole(rows) if texts_only else np.ones(len(rows), dtype=bool)
    for source in np.unique(rows.sources):
        own = np.flatnonzero((rows.sources == source) & joins).tolist()
        Random(f"{seed}/{source}").shuffle(own)
        for start in range(0, len(own), WINDOW):
            groups += best_fit(own[start : start + WINDOW], rows.lengths.tolist(), size)
    groups += [[row] for row in np.flatnonzero(~joins).tolist()]
    lengths = np.array([int(rows.lengths[group].sum()) for group in groups], np.int32)
    return PackedDataset(rows, groups, lengths, rows.sources[[group[0] for group in groups]])


def _whole(rows: TokenDataset) -> NDArray[np.bool_]:
    """Which rows are learned whole: plain text."""
    import numpy as np

    first = rows.borders[np.concatenate([[0], np.cumsum(rows.pieces, dtype=np.int64)[:-1]])]
    return (first == 0) & (rows.pieces == 2)


def best_fit(rows: Sequence[int], lengths: Sequence[int], size: int) -> list[list[int]]:
    """Best fit decreasing: the longest first, each into the fullest bin of `size` that still has room."""
    bins: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (what is left, number of the bin), ascending
    for row in sorted(rows, key=lambda row: -lengths[row]):
        length = int(lengths[row])
        place = bisect_left(room, (length, -1))
        if place == len(room):
            bins.append([])
            left, number = size, len(bins) - 1
        else:
            left, number = room.pop(place)
        bins[number].append(row)
        if left > length:
            insort(room, (left - length, number))
    return bins
