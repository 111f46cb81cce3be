"""The images that rows refer to, each looked at once, wherever the rows are worked on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from data_builders.curate.image_align import Picture, picture_of
from data_builders.curate.image_hash import perceptual_hash
from data_builders.engines import Engine
from data_builders.problems import problem_of
from mmtune.errors import UserError
from mmtune.records import ImageRef

View = Literal["bytes", "hash", "picture"]
"""What is worked out of an image: a digest of its file, its perceptual hash, or a small copy."""
_BLOCK_IMAGES = 64


class Seen(NamedTuple):
    """What an image gives."""

    value: bytes | int | Picture | None
    """By the view; None where the image cannot be used."""
    reason: str | None
    """Why it cannot be used."""


def look_at(root: Path, paths: Iterable[str], view: View, engine: Engine) -> Iterator[Seen]:
    """What each image gives, in order.

    Args:
        root: folder that the paths are relative to.
        paths: of images.
        view: what is worked out.
        engine: where it is done.
    """
    for block in engine.map(partial(_look_at_block, root=root, view=view), _blocks(paths)):
        yield from block


def _blocks(paths: Iterable[str]) -> Iterator[list[str]]:
    queue = iter(paths)
    while block := list(islice(queue, _BLOCK_IMAGES)):
        yield block


def _look_at_block(paths: list[str], root: Path, view: View) -> list[Seen]:
    return [see(root, path, view) for path in paths]


def see(root: Path, path: str, view: View) -> Seen:
    """What one image gives."""
    from mmtune.images.decoding import resolve_image
    from mmtune.images.loading import load_image

    try:
        if view == "bytes":
            return Seen(
                hashlib.blake2b(resolve_image(root, path).read_bytes(), digest_size=16).digest(), None
            )
        image = load_image(root, ImageRef(path))
    except UserError as error:
        return Seen(None, problem_of(error, 0).reason)
    return Seen(perceptual_hash(image) if view == "hash" else picture_of(image), None)


class Numbered:
    """Gives each different text a number, in the order in which they come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def number(self, text: str) -> int:
        """The text's number; the next one where it is new."""
        return self._numbers.setdefault(text, len(self._numbers))
