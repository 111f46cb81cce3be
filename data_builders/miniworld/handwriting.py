"""Real handwritten digits: the 8x8 scans inside scikit-learn, split by sample."""

from __future__ import annotations

import gzip
import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_builders.draws import Draws
from data_builders.miniworld.resampling import resample
from data_builders.miniworld.stencils import freeze, trim
from mmtune.errors import UserError

# Of every 20 samples of a digit: which go where. The rest trains.
_TEST_OF_20 = 4
_VALIDATION_OF_20 = 1
_SPLIT_SEED = 20240229


@lru_cache(maxsize=1)
def load_scans() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The scans and what they show.

    Returns:
        (samples, 8, 8) ink from 0 to 16, and (samples,) digits.

    Raises:
        UserError: if scikit-learn is not installed.

    Source: the test part of "Optical Recognition of Handwritten Digits" (UCI), as shipped by scikit-learn.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise UserError("the handwritten digits of scikit-learn are missing", fix="pip install scikit-learn")
    stored = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if stored.exists():
        # Reading the file takes 30 ms; importing scikit-learn for it takes over a second.
        with gzip.open(stored, "rt") as lines:
            table = np.loadtxt(lines, delimiter=",").astype(np.int64)
        return table[:, :-1].reshape(-1, 8, 8), table[:, -1]
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images.astype(np.int64), digits.target.astype(np.int64)


@lru_cache(maxsize=4)
def samples_of(split: str) -> tuple[tuple[int, ...], ...]:
    """The sample numbers that a split may show, for each digit from 0 to 9.

    The samples of a digit are put in an order that is fixed for ever; of every twenty, one validates,
    four test and fifteen train. No sample is in two splits, so test handwriting is never trained on.
    """
    _, labels = load_scans()
    result = []
    for digit in range(10):
        samples = np.flatnonzero(labels == digit).tolist()
        Draws(_SPLIT_SEED, digit).shuffle(samples)
        result.append(tuple(s for rank, s in enumerate(samples) if _split_of(rank) == split))
    return tuple(result)


@lru_cache(maxsize=8192)
def digit_stencil(sample: int, height: int) -> NDArray[np.uint8]:
    """The opacity of a handwritten digit's ink, enlarged smoothly and cut to the ink.

    Args:
        sample: number of the scan.
        height: pixels that the whole 8x8 scan is enlarged to.

    Returns:
        (rows, columns) opacity, 0 to 255, both at most ``height``; read-only.
    """
    images, _ = load_scans()
    ink = resample(images[sample] * 64, height, height)
    # The scans are grey and blurred: steepen the edge so that strokes are solid at 2 to 4 pixels.
    opacity = np.clip((ink - 5 * 64) * 255 // (6 * 64), 0, 255).astype(np.uint8)
    return freeze(trim(opacity))


def _split_of(rank: int) -> str:
    place = rank % 20
    if place < _TEST_OF_20:
        return "test"
    return "val" if place < _TEST_OF_20 + _VALIDATION_OF_20 else "train"
