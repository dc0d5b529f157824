"""Rows that are read, encoded and shuffled while they are trained on, in bounded memory, resumable at the row.

Rows are drawn from the sources one by one and gathered in windows. A window is shuffled and put into batches of like
length, all by seeds that follow from its number: so where a window begins in each source, and how many of its batches
are done, is all that another process needs to go on with the same batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from torch.utils.data import IterableDataset

from reason_cli.api import Item
from reason_cli.config import NO_WEIGHT
from reason_cli.engine.chat import Encoded
from reason_cli.engine.order import grouped
from reason_cli.engine.packing import pack
from reason_cli.engine.reading import Tally, read
from reason_cli.engine.sources import Source
from reason_cli.engine.tokens import CHUNK, Encoder, TokenDataset, encoded
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    from reason_cli.engine.packing import PackedDataset

WINDOW_TOKENS = 2**24  # a window of long rows ends here: 64 MiB of ids
MARKS = 256
ENOUGH = 200  # rows after which too many bad ones stop the run


@dataclass(frozen=True)
class Place:
    """How far a source was read: the pass over it, and in this pass the rows read and the items they gave."""

    turn: int = 0
    rows: int = 0
    items: int = 0
    spent: bool = False  # waits for the other sources to end their pass


@dataclass(frozen=True)
class Position:
    """Where a stream stands before a draw: how many draws were made, and the place in each source."""

    draws: int
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Start:
    """Where to go on: the position at which a window begins, its number, and how many of its batches are done."""

    position: Position
    window: int = 0
    batches: int = 0

    @classmethod
    def first(cls, sources: int) -> Start:
        return cls(Position(0, (Place(),) * sources))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Start:
        """What `to_json` gave."""
        position = value["position"]
        places = tuple(Place(**place) for place in position["places"])
        return cls(Position(position["draws"], places), value["window"], value["batches"])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


# --- drawing -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """An item, the number of its source, and where the stream stands after it."""

    item: Item
    source: int
    after: Position


@dataclass
class Draws:
    """Items drawn from the sources: by weight, each beginning anew at its end, or without weights every row of all
    sources once before any begins anew. Which source a draw takes follows from the seed and the draw's number alone.
    """

    sources: Sequence[Source]
    takes: Sequence[int]  # items of each source in a pass; 0: all
    seed: int
    refuse_bad: bool
    tallies: list[Tally] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tallies = [Tally() for _ in self.sources]
        weights = [source.weight for source in self.sources]
        self.weighted = any(weight != NO_WEIGHT for weight in weights)
        self.weights = [1.0 if weight == NO_WEIGHT else weight for weight in weights]

    def __call__(self, start: Position) -> Iterator[Drawn]:
        """The items from `start` on, without end."""
        draws, places = start.draws, list(start.places)
        readers: list[Iterator[tuple[int, Item]] | None] = [None] * len(self.sources)
        while True:
            if all(place.spent for place in places):
                places = [Place(place.turn + 1) for place in places]
            number = self._pick(draws, places)
            draws += 1
            place = places[number]
            full = self.takes[number] and place.items >= self.takes[number]
            if readers[number] is None:
                readers[number] = self._open(number, place.rows)
            row, item = (0, None) if full else next(readers[number], (0, None))  # type: ignore[arg-type]
            if item is None:
                self._check_pass(number, place)
                places[number] = Place(place.turn + 1) if self.weighted else Place(place.turn, spent=True)
                readers[number] = None
                continue
            places[number] = Place(place.turn, row, place.items + 1)
            yield Drawn(item, number, Position(draws, tuple(places)))

    def _open(self, number: int, skip: int) -> Iterator[tuple[int, Item]]:
        return read(self.sources[number], self.seed, self.tallies[number], refuse_bad=self.refuse_bad, skip=skip)

    def _check_pass(self, number: int, place: Place) -> None:
        if place.items == 0:
            label = self.sources[number].label
            raise ReasonError(f"dataset '{label}' has no rows", "check the file, or choose another split")

    def _pick(self, draws: int, places: Sequence[Place]) -> int:
        if len(places) == 1:
            return 0
        weights = [0.0 if place.spent else weight for place, weight in zip(places, self.weights, strict=True)]
        point = uniform(self.seed, draws) * sum(weights)
        for number, weight in enumerate(weights):
            point -= weight
            if weight and point < 0:
                return number
        return max(number for number, weight in enumerate(weights) if weight)


def uniform(seed: int, number: int) -> float:
    """A number from 0 to 1 that follows from a seed and a count: SplitMix64 (Steele et al., 2014)."""
    mask = 2**64 - 1
    z = (seed * 0xD1342543DE82EF95 + (number + 1) * 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return ((z ^ (z >> 31)) >> 11) / 2**53


# --- windows -----------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Stream(IterableDataset):  # type: ignore[type-arg]
    """Batches of rows without end. One pass over it at a time.

    `keep` says whether an item is trained on. With `pack_size` over 0 rows share packed ones of that many tokens,
    with `texts_only` plain texts alone. Each of `processes` reads the whole stream and takes every so many-th batch,
    beginning with that of its `rank`; batches are counted over all of them.
    """

    draws: Draws
    encoder: Encoder
    keep: Callable[[Item], bool]
    batch_size: int
    window_rows: int
    refuse_long: bool = False
    pack_size: int = 0
    texts_only: bool = True
    start: Start = field(default_factory=lambda: Start.first(1))
    rank: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        # (batches given before it, the window), of as many windows as may lie between what is read and what is trained
        self.marks: deque[tuple[int, Start]] = deque([(-self.start.batches, self.start)], maxlen=MARKS)
        self.dropped = 0
        self.longest = 0
        self.left_out = 0

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        given, skip = 0, self.start.batches
        for number, (begins, rows) in enumerate(self.windows(self.start.position), self.start.window):
            self.marks.append((given - skip, Start(begins, number)))
            random = Random(f"{self.draws.seed}/{number}")
            data = self.packed(rows, number)
            batches = grouped(range(len(data)), data.lengths, self.batch_size, random)  # type: ignore[arg-type]
            for place, batch in enumerate(batches[skip:], given):
                if place % self.processes == self.rank:
                    yield [data[row] for row in batch]
            given, skip = given + len(batches) - skip, 0

    def counts(self) -> str:
        """What was read so far, source by source, in words; a little more than was trained on."""
        sources = zip(self.draws.sources, self.draws.tallies, strict=True)
        read_of = ", ".join(f"{source.label} {tally.rows:,}" for source, tally in sources)
        bad = sum(len(tally.bad) for tally in self.draws.tallies)
        notes = {"bad": bad, "too long": self.dropped, "held out or with test questions": self.left_out}
        return "rows read: " + read_of + "".join(f"; {n:,} {what}" for what, n in notes.items() if n)

    def state_after(self, batches: int) -> Start:
        """Where another process goes on once so many batches of this one were trained on."""
        first, start = max((mark for mark in self.marks if mark[0] <= batches), key=lambda mark: mark[0])
        return Start(start.position, start.window, batches - first)

    def windows(self, position: Position) -> Iterator[tuple[Position, TokenDataset]]:
        """(where it begins, its rows) of each window."""
        begins, parts, rows, sources = position, list[TokenDataset](), list[Encoded](), list[int]()
        size, tokens = 0, 0
        for drawn, own in self._encoded(position):
            rows += own
            sources += [drawn.source] * len(own)
            size += len(own)
            tokens += sum(len(row.input_ids) for row in own)
            full = size >= self.window_rows or tokens >= WINDOW_TOKENS
            if rows and (full or len(rows) >= CHUNK):
                parts.append(TokenDataset.of(rows, sources))
                rows, sources = [], []
            if full:
                self._check_rows()
                yield begins, TokenDataset.joined(parts)
                begins, parts, size, tokens = drawn.after, [], 0, 0
            elif not size:
                _check_fed(begins, drawn.after)

    def _encoded(self, position: Position) -> Iterator[tuple[Drawn, list[Encoded]]]:
        """What is drawn and kept, with its rows; an example over the limit is counted and has none."""
        waiting: deque[Drawn] = deque()

        def items() -> Iterator[Item]:
            last = position
            for drawn in self.draws(position):
                if self.keep(drawn.item):
                    last = drawn.after
                    waiting.append(drawn)
                    yield drawn.item
                else:
                    self.left_out += 1
                _check_fed(last, drawn.after)

        for _, rows in encoded(self.encoder, items()):
            yield waiting.popleft(), self._fitting(rows)

    def _fitting(self, rows: list[Encoded]) -> list[Encoded]:
        limit = self.encoder.max_seq_len
        fitting = [row for row in rows if len(row.input_ids) <= limit]
        if len(fitting) < len(rows):
            self.dropped += len(rows) - len(fitting)
            self.longest = max(self.longest, *(len(row.input_ids) for row in rows))
            if self.refuse_long:
                raise ReasonError(
                    f"an example is longer than max_seq_len {limit}: {self.longest} tokens",
                    f"--set model.max_seq_len={self.longest}, or --too-long drop",
                )
        return fitting

    def packed(self, rows: TokenDataset, window: int) -> TokenDataset | PackedDataset:
        """The rows of a window as they are trained on."""
        seed = self.draws.seed + window
        return pack(rows, self.pack_size, seed, texts_only=self.texts_only) if self.pack_size else rows

    def _check_rows(self) -> None:
        for source, tally in zip(self.draws.sources, self.draws.tallies, strict=True):
            if tally.good + len(tally.bad) >= ENOUGH:
                tally.judge(source.label)


def _check_fed(since: Position, now: Position) -> None:
    """Refuse to go round and round over rows of which none is trained on."""
    if all(after.turn > before.turn + 1 for before, after in zip(since.places, now.places, strict=True)):
        raise ReasonError(
            "no row of the data can be trained on: all are too long, held out, or hold test questions",
            "raise model.max_seq_len, or look at the rows with `reason data check`",
        )
