"""Which records are for training and which for validation."""

from __future__ import annotations

import hashlib
import logging
import math

from mmtune.data.config import DataConfig
from mmtune.data.source import Source, Subset, open_sources
from mmtune.errors import UserError

log = logging.getLogger(__name__)


def split_by_id(source: Source, fraction: float) -> tuple[Subset, Subset]:
    """Split a source in two by a hash of each record's id, whatever stands around it.

    Args:
        source: the records to split.
        fraction: share of the ids that the second part gets, 0..1.

    Returns:
        The rest, and the part of about ``fraction``; records that share an id stay together.
    """
    return _split(source, _shares(source), fraction)


def _split(source: Source, shares: list[float], fraction: float) -> tuple[Subset, Subset]:
    kept = [index for index, share in enumerate(shares) if share >= fraction]
    split = [index for index, share in enumerate(shares) if share < fraction]
    return Subset(source, kept), Subset(source, split)


def _shares(source: Source) -> list[float]:
    """A number from 0 to 1 for each record, which its id alone decides."""
    digests = (
        hashlib.sha256(source.record_id(index).encode("utf-8", "surrogatepass")).digest()
        for index in range(len(source))
    )
    return [int.from_bytes(digest[:8], "big") / 2**64 for digest in digests]


def _enough(shares: list[list[float]], fraction: float) -> float:
    """The fraction itself, or the smallest that holds out a record, where data are too few for it."""
    lowest = min((share for of_source in shares for share in of_source), default=0.0)
    if lowest < fraction:
        return fraction
    log.warning(
        "the training data are so few that a data.validation_fraction of %s holds out none: one record is",
        fraction,
    )
    return math.nextafter(lowest, 2.0)


def open_splits(config: DataConfig) -> tuple[list[Source], list[Source]]:
    """Open the training and validation sources of a recipe; the second list is empty where there are none.

    Raises:
        UserError: if a source cannot be opened, or the split leaves nothing to train on.
    """
    train: list[Source] = [*open_sources(config.train, "data.train")]
    if config.validation:
        return train, [*open_sources(config.validation, "data.validation")]
    if not config.validation_fraction:
        return train, []
    shares = [_shares(source) for source in train]
    fraction = _enough(shares, config.validation_fraction)
    parts = [_split(*each, fraction) for each in zip(train, shares, strict=True)]
    kept: list[Source] = [part[0] for part in parts]
    held_out: list[Source] = [part[1] for part in parts if len(part[1])]
    if not held_out or not all(len(part) for part in kept):
        raise UserError(
            f"a validation_fraction of {config.validation_fraction} leaves a part without records",
            "data.validation_fraction",
            "change it, or give data.validation sources of their own",
        )
    return kept, held_out
