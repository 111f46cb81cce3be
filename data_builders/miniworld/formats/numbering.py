"""Numbers and file names of images, in the way of COCO: the number stands at the end of the name."""

from __future__ import annotations

from data_builders.miniworld.world import SPLITS

_PER_SPLIT = 10_000_000


def image_id(split: str, index: int) -> int:
    """A number that no other scene of any split has, starting at 1."""
    return SPLITS.index(split) * _PER_SPLIT + index + 1


def file_name(split: str, number: int) -> str:
    """The file of an image inside its split's folder, as ``miniworld_test_000020000001.png``."""
    return f"miniworld_{split}_{number:012d}.png"
