"""Texts that stand in the data nearly twice. The one seen first is kept.

Near duplicates share at least 0.8 of their 5-word shingles (Jaccard). MinHash (Broder 1997) with banding finds
candidates, and these are compared in full: nothing is dropped that is not as near as that. A pair at 0.8 is
missed once in 20,000, more often where 20 texts or more share most of their words and are not near. Long
problems that differ in one number alone are near duplicates too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from reason_cli.engine.contamination import words

if TYPE_CHECKING:
    import numpy as np

NEAR = 0.8  # Jaccard similarity from which a text is a near duplicate
SHINGLE = 5  # words
BANDS, ROWS = 25, 5  # two texts are candidates when all 5 minima of one of 25 bands agree
MOST = 20  # texts kept per group, and compared with: bounds the work where all share a preamble
SEED = 20_051
CHUNK = 2_000  # texts hashed at a time


def near_duplicates(texts: Sequence[str]) -> dict[int, int]:
    """Index of each text that is near to an earlier kept one, and the index of the first such; exact ones too.

    The result depends on the texts and their order alone.
    """
    import numpy as np

    groups = _groups(texts)
    members: dict[int, list[int]] = {}  # group -> the first kept texts in it
    dropped: dict[int, int] = {}
    for index in np.flatnonzero(groups.max(axis=1, initial=-1) >= 0).tolist():
        own = [members.setdefault(group, []) for group in groups[index].tolist() if group >= 0]
        keeper = _first_near(texts, index, Counter(chain.from_iterable(own)))
        if keeper is not None:
            dropped[index] = keeper
            continue
        for group in own:
            if len(group) < MOST:
                group.append(index)
    return dropped


def _first_near(texts: Sequence[str], index: int, shared_bands: Counter[int]) -> int | None:
    """The first of the most likely candidates that is near: the more bands two texts share, the nearer."""
    if not shared_bands:
        return None
    own = shingles(texts[index])
    candidates = sorted(i for i, _ in shared_bands.most_common(MOST))
    return next((i for i in candidates if jaccard(own, shingles(texts[i])) >= NEAR), None)


def shingles(text: str) -> set[tuple[str, ...]]:
    """Every five words in a row; of a shorter text all its words."""
    said = words(text)
    return {tuple(said[i : i + SHINGLE]) for i in range(max(1, len(said) - SHINGLE + 1))}


def jaccard(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    """The share of the shingles of both that each has."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


# --- candidates ----------------------------------------------------------------------------------------------


def _groups(texts: Sequence[str]) -> np.ndarray:
    """(texts, bands): a number shared by the texts that agree in a band, -1 for a text that is alone there."""
    import numpy as np

    keys = np.concatenate([np.empty((0, BANDS), np.uint64), *_band_keys(texts)])
    groups = np.empty(keys.shape, np.int64)
    for band in range(BANDS):
        _, number, count = np.unique(keys[:, band], return_inverse=True, return_counts=True)
        groups[:, band] = np.where(count[number] > 1, number + band * len(texts), -1)
    return groups


def _band_keys(texts: Sequence[str]) -> Iterator[np.ndarray]:
    """(chunk, bands) per chunk of texts: a 64-bit key of each band's minima. All arithmetic wraps at 2^64."""
    import numpy as np

    odd = np.random.default_rng(SEED).integers(0, 2**63, (BANDS, ROWS), np.uint64) * np.uint64(2) + np.uint64(1)
    vocabulary: dict[str, int] = {}
    for start in range(0, len(texts), CHUNK):
        hashes, starts = _shingle_hashes(texts[start : start + CHUNK], vocabulary)
        keys = np.zeros((len(starts), BANDS), np.uint64)
        for band in range(BANDS):
            for row in range(ROWS):
                # A hash times an odd number is a permutation of 64-bit numbers; mixing makes it a random one.
                minima = np.minimum.reduceat(_mix(hashes * odd[band, row]), starts)
                keys[:, band] = _mix(keys[:, band] ^ minima)
        yield keys


def _shingle_hashes(texts: Sequence[str], vocabulary: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all shingles of the texts in a row, and where each text's begin."""
    import numpy as np

    rows = [[vocabulary.setdefault(word, len(vocabulary) + 1) for word in words(text)] for text in texts]
    padded = [row + [0] * (SHINGLE - len(row)) for row in rows]  # 0 is no word: a short text is one shingle
    ids = np.fromiter((i for row in padded for i in row), np.uint64)
    lengths = np.array([len(row) for row in padded])
    hashes = np.zeros(len(ids) - SHINGLE + 1, np.uint64)
    for place in range(SHINGLE):
        hashes = _mix(hashes + _mix(ids[place : len(ids) - SHINGLE + 1 + place]))
    counts, ends = lengths - SHINGLE + 1, np.cumsum(lengths)
    # A shingle that begins in a text's last four words reaches into the next text and is left out.
    inside = np.arange(len(hashes)) < np.repeat(ends - SHINGLE + 1, lengths)[: len(hashes)]
    return hashes[inside], np.cumsum(counts) - counts


def _mix(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: every bit of the input changes about half of the output's."""
    import numpy as np

    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
