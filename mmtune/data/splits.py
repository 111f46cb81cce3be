"""Which records are for training and which for validation."""

from __future__ import annotations

import hashlib

from mmtune.data.config import DataConfig
from mmtune.data.source import Source, Subset, open_sources
from mmtune.errors import UserError


def split_by_id(source: Source, fraction: float) -> tuple[Subset, Subset]:
    """Split a source in two by a hash of each record's id, whatever stands around it.

    Args:
        source: the records to split.
        fraction: share of the ids that the second part gets, 0..1.

    Returns:
        The rest, and the part of about ``fraction``; records that share an id stay together.
    """
    kept: list[int] = []
    split: list[int] = []
    for index in range(len(source)):
        digest = hashlib.sha256(source.record_id(index).encode("utf-8", "surrogatepass")).digest()
        share = int.from_bytes(digest[:8], "big") / 2**64
        (split if share < fraction else kept).append(index)
    return Subset(source, kept), Subset(source, split)


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
    parts = [split_by_id(source, config.validation_fraction) for source in train]
    kept: list[Source] = [part[0] for part in parts]
    held_out: list[Source] = [part[1] for part in parts if len(part[1])]
    if not held_out or not all(len(part) for part in kept):
        raise UserError(
            f"a validation_fraction of {config.validation_fraction} leaves a part without records",
            "data.validation_fraction",
            "change it, or give data.validation sources of their own",
        )
    return kept, held_out
