"""Fingerprints of images: equal bytes, or equal up to a number of bits of a perceptual hash.

Source: the DCT hash that pHash made known (Zauner, "Implementation and benchmarking of perceptual image hash
functions", 2010): signs of the 8 x 8 lowest frequencies of a 32 x 32 grey copy against their median.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BITS = 64
MOST_BITS = 11
_SIDE = 32
_LOW = 8
_CHUNKS = 4
_CHUNK_BITS = BITS // _CHUNKS


def _cosines() -> NDArray[np.float64]:
    places = (2 * np.arange(_SIDE) + 1) * math.pi / (2 * _SIDE)
    return np.cos(np.arange(_LOW)[:, None] * places)


_COSINES = _cosines()


def perceptual_hash(image: Image.Image) -> int:
    """64 bits that change little when an image is re-encoded, resized or lit otherwise."""
    grey = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    low = (_COSINES @ np.asarray(grey, dtype=np.float64) @ _COSINES.T).ravel()
    # Rounded, so that noise of float arithmetic in a flat picture does not decide a bit.
    low = np.round(low, 6)
    low[0] = np.median(low[1:])
    bits = low > np.median(low[1:])
    return int("".join("1" if bit else "0" for bit in bits), 2)


def distance(first: int, second: int) -> int:
    """Bits by which two hashes differ."""
    return (first ^ second).bit_count()


class HashIndex:
    """Finds the hashes that differ from one in a few bits.

    Two such hashes agree in one of four 16-bit parts up to a quarter of the bits, so a hash is looked up
    under each part and its close variants: none is missed, and few others are compared.

    Args:
        threshold: bits, 0 to 11; beyond that nearly everything would have to be compared.
    """

    def __init__(self, threshold: int) -> None:
        if not 0 <= threshold <= MOST_BITS:
            raise ValueError(f"a threshold of {threshold} bits is not between 0 and {MOST_BITS}")
        self.threshold = threshold
        self._variants = _variants(threshold // _CHUNKS)
        self._buckets: tuple[dict[int, list[tuple[int, int]]], ...] = tuple({} for _ in range(_CHUNKS))

    def add(self, value: int, index: int) -> None:
        """Let ``index`` be found by hashes near ``value``."""
        for buckets, part in zip(self._buckets, _parts(value), strict=True):
            buckets.setdefault(part, []).append((value, index))

    def near(self, value: int) -> list[int]:
        """Indices within the threshold, lowest first."""
        found = set()
        for buckets, part in zip(self._buckets, _parts(value), strict=True):
            for variant in self._variants:
                for other, index in buckets.get(part ^ variant, ()):
                    if (other ^ value).bit_count() <= self.threshold:
                        found.add(index)
        return sorted(found)


def _parts(value: int) -> tuple[int, ...]:
    return tuple((value >> _CHUNK_BITS * place) & 0xFFFF for place in range(_CHUNKS))


def _variants(radius: int) -> list[int]:
    """Every 16-bit mask of up to ``radius`` bits."""
    masks = [0]
    for bits in range(1, radius + 1):
        masks += [sum(1 << bit for bit in chosen) for chosen in combinations(range(_CHUNK_BITS), bits)]
    return masks
