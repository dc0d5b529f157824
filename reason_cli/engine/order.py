"""In which order rows are trained on: shuffled, in batches of like length, each source in its share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from torch.utils.data import Sampler

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POOL = 50  # batches that are sorted by length together


@dataclass(frozen=True)
class Mixture:
    """Sources in shares. A pass has as many rows as all sources together; a source with fewer than its share begins
    anew, one with more goes on in the next pass where it stopped, so that none of its rows is left out for good.

    sources  (rows,)  the number of each row's source
    weights           of each source; their sum is over 0
    """

    sources: NDArray[np.int32]
    weights: Sequence[float]

    def counts(self) -> list[int]:
        """Rows of each source in one pass."""
        total, size = sum(self.weights), len(self.sources)
        exact = [weight / total * size for weight in self.weights]
        counts = [int(share) for share in exact]
        # The rows that rounding left over go where most was cut off.
        for source in sorted(range(len(exact)), key=lambda i: counts[i] - exact[i])[: size - sum(counts)]:
            counts[source] += 1
        return counts

    def rows(self, epoch: int, seed: int) -> list[int]:
        """Row numbers of a pass, source by source, each source shuffled anew whenever it begins anew."""
        import numpy as np

        picked: list[int] = []
        for source, count in enumerate(self.counts()):
            own = np.flatnonzero(self.sources == source).tolist()
            at, end = epoch * count, (epoch + 1) * count
            while own and at < end:
                turn, place = divmod(at, len(own))
                order = Random(f"{seed}/{source}/{turn}").sample(own, len(own))
                taken = order[place : place + end - at]
                picked += taken
                at += len(taken)
        return picked


class LengthGrouped(Sampler[int]):
    """Row numbers in random order, but so that the rows of a batch are of like length.

    Rows are shuffled, sorted by length within pools of `POOL` batches, and the pool's batches shuffled again:
    transformers' own sampler leaves them sorted, so that the loss, and what is learned, swings from long to short
    in every pool. Each pass over the sampler is another order, and the same for the same seed. It is filled up to a
    multiple of `fill` rows with the number after the last row's, which `dealing.Dealt` has an idle row for.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, seed: int, mixture: Mixture | None = None, fill: int = 1
    ) -> None:
        self.fill = fill
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.mixture = mixture
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.lengths) + -len(self.lengths) % self.fill

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of a pass; called by accelerate."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        random = Random(f"{self.seed}/{self.epoch}")
        rows = self.mixture.rows(self.epoch, self.seed) if self.mixture else list(range(len(self.lengths)))
        random.shuffle(rows)
        pool = POOL * self.batch_size
        for start in range(0, len(rows), pool):
            batches = grouped(rows[start : start + pool], self.lengths, self.batch_size, random)
            for batch in batches:
                yield from batch
        yield from [len(self.lengths)] * (-len(self.lengths) % self.fill)


class InOrder(Sampler[int]):
    """Row numbers from first to last, filled up as those of `LengthGrouped` are."""

    def __init__(self, rows: int, fill: int) -> None:
        self.rows = rows
        self.fill = fill

    def __len__(self) -> int:
        return self.rows + -self.rows % self.fill

    def __iter__(self) -> Iterator[int]:
        yield from range(self.rows)
        yield from [self.rows] * (-self.rows % self.fill)


def grouped(rows: Sequence[int], lengths: Sequence[int], batch_size: int, random: Random) -> list[list[int]]:
    """The rows in batches of like length, the batches in random order; one that is not full comes last."""
    ordered = sorted(rows, key=lambda row: lengths[row])
    batches = [ordered[i : i + batch_size] for i in range(0, len(ordered), batch_size)]
    # A short batch in the middle would have the batches after it cut elsewhere.
    tail = [batches.pop()] if batches and len(batches[-1]) < batch_size else []
    random.shuffle(batches)
    return batches + tail
