"""Items to token ids: encoded on every core, an answer never cut, kept in flat arrays and, if wanted, on disk."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from reason_cli.api import Item
from reason_cli.engine.chat import Encoded, Template, encode
from reason_cli.engine.report import Reporter
from reason_cli.engine.token_cache import TokenCache
from reason_cli.errors import ReasonError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # the label that PyTorch's cross-entropy leaves out
CHUNK = 1_000  # items tokenised at a time
THREADS = 2  # one writes the chat template's text while the other's tokenizer runs, on all cores, outside Python


@dataclass(frozen=True)
class TokenDataset:
    """Encoded rows by index, as `transformers.Trainer` wants them; flat arrays, in memory or mapped from disk.

    ids      (tokens,) int32   the ids of all rows, one after the other
    lengths  (rows,) int32     how many of them each row has
    borders  (pieces,) int32   lengths of the pieces that are in turn given and learned, of all rows
    pieces   (rows,) int32     how many pieces each row has
    sources  (rows,) int32     the number of the source that each row came from
    """

    ids: NDArray[np.int32]
    lengths: NDArray[np.int32]
    borders: NDArray[np.int32]
    pieces: NDArray[np.int32]
    sources: NDArray[np.int32]

    def __post_init__(self) -> None:
        import numpy as np

        starts = {"_id_starts": self.lengths, "_border_starts": self.pieces}
        for name, counts in starts.items():
            object.__setattr__(self, name, np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))

    @classmethod
    def of(cls, rows: Sequence[Encoded], sources: Sequence[int] | None = None) -> TokenDataset:
        """The dataset of rows; `sources` numbers where each came from (default: all from one)."""
        import numpy as np

        return cls(
            np.fromiter(chain.from_iterable(row.input_ids for row in rows), np.int32),
            np.fromiter((len(row.input_ids) for row in rows), np.int32),
            np.fromiter(chain.from_iterable(row.borders for row in rows), np.int32),
            np.fromiter((len(row.borders) for row in rows), np.int32),
            np.asarray(sources if sources is not None else [0] * len(rows), np.int32),
        )

    @classmethod
    def joined(cls, parts: Sequence[TokenDataset]) -> TokenDataset:
        """The rows of all parts, in order."""
        import numpy as np

        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS))

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`input_ids` and `labels` of a row, each (length,), int32."""
        starts, borders = self._id_starts, self._border_starts  # type: ignore[attr-defined]
        ids = self.ids[starts[index] : starts[index + 1]]
        return {"input_ids": ids, "labels": labels_of(ids, self.borders[borders[index] : borders[index + 1]])}

    @property
    def tokens(self) -> int:
        return len(self.ids)

    @property
    def trained_tokens(self) -> int:
        import numpy as np

        place = np.arange(len(self.borders)) - np.repeat(self._border_starts[:-1], self.pieces)  # type: ignore[attr-defined]
        return int(self.borders[place % 2 == 1].sum())


FIELDS = tuple(TokenDataset.__dataclass_fields__)


def labels_of(ids: NDArray[np.int32], borders: Iterable[int]) -> NDArray[np.int32]:
    """The ids where they are learned, `IGNORED` where they are given."""
    labels, at = ids.copy(), 0
    for place, length in enumerate(borders):
        if place % 2 == 0:
            labels[at : at + length] = IGNORED
        at += length
    return labels


@dataclass(frozen=True)
class Encoder:
    """How items become ids: the tokenizer, what is put around an example, and the longest row in tokens."""

    tokenizer: PreTrainedTokenizerBase
    template: Template
    max_seq_len: int

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides which ids an item gets."""
        tokenizer = self.tokenizer
        words = tokenizer.backend_tokenizer.to_str() if tokenizer.is_fast else sorted(tokenizer.get_vocab().items())  # type: ignore[attr-defined]
        facts = (words, tokenizer.chat_template, tokenizer.eos_token, self.template, self.max_seq_len)
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def encode(self, items: Sequence[Item]) -> list[list[Encoded]]:
        """The rows that each item becomes: one; several of a long plain text; none where nothing is learned.

        An example over the limit stays whole: what becomes of it is the caller's to say.
        """
        return [
            list(_pieces(row, self.max_seq_len)) if any(row.borders[1::2]) else []
            for row in encode(self.tokenizer, items, self.template)
        ]


def _pieces(row: Encoded, limit: int) -> Iterator[Encoded]:
    """A row as it is; one that is learned whole, a plain text, in pieces of at most `limit` tokens."""
    if len(row.input_ids) <= limit or row.borders[0] or len(row.borders) != 2:
        yield row
        return
    for start in range(0, len(row.input_ids), limit):
        ids = row.input_ids[start : start + limit]
        yield Encoded(ids, (0, len(ids)))


def encoded(encoder: Encoder, items: Iterable[Item], ahead: int = THREADS) -> Iterator[tuple[Item, list[Encoded]]]:
    """Each item with its rows, in order, while the next `ahead` chunks are being encoded on other threads."""
    source = iter(items)
    running: deque[tuple[list[Item], Future[list[list[Encoded]]]]] = deque()
    with ThreadPoolExecutor(THREADS) as pool:
        while True:
            while len(running) <= ahead:
                chunk = list(islice(source, CHUNK))
                if not chunk:
                    break
                running.append((chunk, pool.submit(encoder.encode, chunk)))
            if not running:
                return
            chunk, rows = running.popleft()
            yield from zip(chunk, rows.result(), strict=True)


@dataclass(frozen=True)
class LongRows:
    """How many rows were over the length limit, of how many, and the longest of all."""

    dropped: int
    of: int
    longest: int


def tokenise(
    encoder: Encoder, groups: Sequence[Sequence[Item]], *, refuse_long: bool, cache: TokenCache, report: Reporter
) -> TokenDataset:
    """The rows of each group of items (a group a source); what is on disk already is taken from there.

    An example over `max_seq_len` tokens is counted and dropped, or refused, never cut.
    Raises `ReasonError` when nothing is left, or for a long example if `refuse_long`.
    """
    key = _key(encoder, groups)
    found = cache.find(key)
    if found is None:
        dataset, long = _tokenise(encoder, groups, report)
    else:
        dataset, long = TokenDataset(**found.arrays), LongRows(**found.facts)
    _judge(long, encoder.max_seq_len, refuse_long, report)
    if found is None:
        cache.store(key, {name: getattr(dataset, name) for name in FIELDS}, vars(long))
    else:
        report.say(f"token ids: taken from {found.path}")
    return dataset


def _key(encoder: Encoder, groups: Sequence[Sequence[Item]]) -> str:
    digest = hashlib.sha256(encoder.fingerprint.encode())
    for group in groups:
        digest.update(b"\0group\0")
        for item in group:
            digest.update(repr(item).encode())
    return digest.hexdigest()


def _tokenise(encoder: Encoder, groups: Sequence[Sequence[Item]], report: Reporter) -> tuple[TokenDataset, LongRows]:
    report.start("tokenising", sum(map(len, groups)))
    parts, done, dropped, total, longest = [], 0, 0, 0, 0
    for number, group in enumerate(groups):
        kept: list[Encoded] = []
        for _, rows in encoded(encoder, group):
            done += 1
            total += len(rows)
            longest = max([longest, *(len(row.input_ids) for row in rows)])
            fitting = [row for row in rows if len(row.input_ids) <= encoder.max_seq_len]
            dropped += len(rows) - len(fitting)
            kept += fitting
            if len(kept) >= CHUNK:
                parts.append(TokenDataset.of(kept, [number] * len(kept)))
                kept = []
                report.update(done, {})
        parts.append(TokenDataset.of(kept, [number] * len(kept)))
    report.finish()
    return TokenDataset.joined(parts), LongRows(dropped, total, longest)


def _judge(long: LongRows, limit: int, refuse: bool, report: Reporter) -> None:
    kept = long.of - long.dropped
    if long.of == 0:
        raise ReasonError("no row has anything to learn", "every assistant's turn is empty: check the data")
    if long.dropped and (refuse or not kept):
        raise ReasonError(
            f"{long.dropped} of {long.of} examples are longer than max_seq_len {limit} (the longest: {long.longest})",
            f"--set model.max_seq_len={long.longest}" + (", or --too-long drop" if kept else ""),
        )
    if long.dropped:
        report.warn(f"dropped {long.dropped} of {long.of} examples over max_seq_len {limit} (longest {long.longest})")
