"""Texts that share most of their characters' runs: MinHash signatures and banded look-up, in NumPy.

Source: Broder, "On the resemblance and containment of documents" (1997).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from data_builders.curate.groups import NO_PAIRS, Pairs

SHINGLE = 5
"""Characters of a shingle."""
HASHES = 128
_PRIME = np.uint64(2**31 - 1)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_ANCHORS = 64
"""Texts of one bucket that all its other texts are compared with."""
_MOST_PAIRS = 2_000_000
"""Pairs of one bucket that are looked at, to bound the memory."""

Signature = NDArray[np.uint32]


def _coefficients() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    # RandomState's stream is frozen by NumPy, so a signature is the same everywhere.
    draws = np.random.RandomState(20240229).randint(1, 2**31 - 1, size=(2, HASHES)).astype(np.uint64)
    return draws[0], draws[1]


_A, _B = _coefficients()


def signature(text: str) -> Signature:
    """(128,) uint32: the least of each hash over the text's shingles of five characters.

    The share of equal places of two signatures estimates the Jaccard similarity of the shingle sets.
    """
    # As wide as it must be for all characters to take the same number of bytes.
    width = 1 if text.isascii() else 4
    data = text.encode("ascii" if width == 1 else "utf-32-le", "surrogatepass")
    steps = range(0, max(1, len(data) - (SHINGLE - 1) * width), width)
    shingles = {data[i : i + SHINGLE * width] for i in steps}
    hashed = np.fromiter((zlib.crc32(one) & 0x7FFFFFFF for one in shingles), np.uint64, len(shingles))
    # 31-bit factors: products stay below 2**62, so nothing overflows.
    return ((hashed[:, None] * _A + _B) % _PRIME).min(axis=0).astype(np.uint32)


def similarity(first: Signature, second: Signature) -> float:
    """Estimated Jaccard similarity, 0..1."""
    return float((first == second).mean())


def rows_per_band(threshold: float) -> int:
    """Rows of a band such that pairs at the threshold share a band with a probability of 0.99 or more."""
    for rows in (16, 8, 4, 2):
        if 1 - (1 - threshold**rows) ** (HASHES // rows) >= 0.99:
            return rows
    return 1


def near_pairs(signatures: NDArray[np.uint32], threshold: float) -> Pairs:
    """Pairs of texts whose estimated similarity reaches the threshold.

    Texts that are equal should be given once: of a bucket of thousands not every pair is looked at, but each
    text is compared with the first ones.

    Args:
        signatures: (texts, 128).
        threshold: least similarity, above 0.

    Returns:
        (pairs, 2) indices, the earlier first.
    """
    rows = rows_per_band(threshold)
    found = [NO_PAIRS]
    for start in range(0, HASHES, rows):
        for pairs in _bucket_pairs(signatures[:, start : start + rows]):
            alike = (signatures[pairs[:, 0]] == signatures[pairs[:, 1]]).mean(axis=1) >= threshold
            found.append(pairs[alike])
    return np.unique(np.concatenate(found), axis=0)


def _bucket_pairs(band: NDArray[np.uint32]) -> Iterator[Pairs]:
    """Pairs of texts whose signatures are equal in this band, bucket by bucket."""
    keys = np.zeros(len(band), dtype=np.uint64)
    for column in band.T:
        keys = keys * _MIX + column  # wraps around; a chance collision is sorted out by the caller
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.append(True, keys[order][1:] != keys[order][:-1]))
    ends = np.append(starts[1:], len(order))
    for start, end in zip(starts[ends - starts > 1], ends[ends - starts > 1], strict=True):
        members = order[start:end].astype(np.int64)
        anchors = members[: max(1, min(_ANCHORS, _MOST_PAIRS // len(members)))]
        earlier, later = np.meshgrid(anchors, members, indexing="ij")
        keep = earlier < later
        yield np.stack([earlier[keep], later[keep]], axis=1)
