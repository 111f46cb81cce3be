"""Vectors of records without a model: hashed words beside the image's cells of mean colour."""

from __future__ import annotations

import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_builders.curate.image_align import cells_of, picture_of
from data_builders.curate.text import conversation_of
from mmtune.images.loading import load_image
from mmtune.records import Record

WORDS = 192
_CELLS = 4


def features(record: Record, root: Path | None) -> NDArray[np.float32]:
    """(240,) float32: words and their pairs by a hash, 4 x 4 x 3 colours of the first image.

    Args:
        record: the record.
        root: folder of its images; None leaves them out.

    Raises:
        ImageError: the image cannot be used.
    """
    counts = np.zeros(WORDS)
    words = conversation_of(record).split()
    for one in [*words, *(" ".join(pair) for pair in pairwise(words))]:
        value = zlib.crc32(one.encode("utf-8", "surrogatepass"))
        counts[value % WORDS] += 1.0 if value & 0x80000000 else -1.0
    colours = np.zeros(3 * _CELLS * _CELLS)
    if root is not None and record.images:
        cells = cells_of(picture_of(load_image(root, record.images[0])).pixels, _CELLS)
        colours = (cells - cells.mean()).ravel().astype(float)
    return np.concatenate([_unit(counts), _unit(colours)]).astype(np.float32)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
