"""Which images of benchmarks the images of rows are, or are crops of."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from data_builders.curate import image_match
from data_builders.curate.benchmark_items import BenchmarkItem
from data_builders.curate.image_align import Picture
from data_builders.curate.images_of import Numbered, look_at, see
from data_builders.engines import Engine
from data_builders.problems import Problem
from mmtune.errors import UserError

_BLOCK_IMAGES = 32


@dataclass(frozen=True)
class Pictures:
    """The benchmarks' images, each once."""

    pictures: list[Picture]
    of_item: dict[int, int]
    images: dict[str, list[tuple[Path, str]]]
    """Benchmark -> folder and path of each of its images."""
    unread: dict[tuple[Path, str], str]
    """Folder and path of an image -> why it cannot be read."""

    def problems(self) -> list[Problem]:
        """Every image of every benchmark that cannot be read."""
        return [
            Problem(f"image {path}", self.unread[root, path], benchmark)
            for benchmark, images in self.images.items()
            for root, path in images
            if (root, path) in self.unread
        ]


def refuse_unseen(pictured: Pictures) -> None:
    """Refuse a benchmark of which no image can be read: its leaks would be kept without a word."""
    for benchmark, images in pictured.images.items():
        if images and all(image in pictured.unread for image in images):
            root, path = images[0]
            raise UserError(
                f"not one of the {len(images)} images of {benchmark} can be read; the first is {path!r}"
                f" ({pictured.unread[root, path]})",
                str(root),
                "name the folder of its images, or compare questions alone with --rule question",
            )


def benchmark_pictures(items: Sequence[BenchmarkItem], engine: Engine) -> Pictures:
    """Look at the images of all items, each once."""
    images: dict[str, dict[tuple[Path, str], None]] = {}
    roots: dict[Path, Numbered] = {}
    for item in items:
        if item.image is not None:
            roots.setdefault(item.root, Numbered()).number(item.image)
            images.setdefault(item.benchmark, {})[item.root, item.image] = None
    numbers: dict[tuple[Path, str], int] = {}
    # Benchmarks share images. Each counts once, or its copies would push others out of the candidates.
    same: dict[bytes, int] = {}
    pictures: list[Picture] = []
    unread: dict[tuple[Path, str], str] = {}
    for root, paths in roots.items():
        for path, (value, reason) in zip(paths, look_at(root, paths, "picture", engine), strict=True):
            if isinstance(value, Picture):
                key = hashlib.blake2b(value.pixels.tobytes() + repr(value.aspect).encode()).digest()
                numbers[root, path] = same.setdefault(key, len(pictures))
                if numbers[root, path] == len(pictures):
                    pictures.append(value)
            else:
                unread[root, path] = reason or "it cannot be read"
    of_item = {
        place: numbers[item.root, item.image]
        for place, item in enumerate(items)
        if item.image is not None and (item.root, item.image) in numbers
    }
    return Pictures(pictures, of_item, {name: list(found) for name, found in images.items()}, unread)


def find_images(
    paths: Numbered, pictures: str, root: Path, settings: image_match.MatchSettings, engine: Engine
) -> tuple[dict[int, list[image_match.Match]], dict[int, str]]:
    """The matches of each image that has any, and why the unusable ones are that.

    Args:
        paths: of the rows' images.
        pictures: file with the pickled pictures of benchmarks, which a worker opens once.
        root: folder of the rows' images.
        settings: when two images are one.
        engine: where images are compared.
    """
    found: dict[int, list[image_match.Match]] = {}
    reasons: dict[int, str] = {}
    work = partial(_match_block, root=root, pictures=pictures, match=settings)
    images = (one for block in engine.map(work, _blocks(paths)) for one in block)
    for number, (matches, reason) in enumerate(images):
        if reason is not None:
            reasons[number] = reason
        elif matches:
            found[number] = matches
    return found, reasons


def _blocks(paths: Numbered) -> Iterator[list[str]]:
    block: list[str] = []
    for path in paths:
        block.append(path)
        if len(block) == _BLOCK_IMAGES:
            yield block
            block = []
    if block:
        yield block


def _match_block(
    paths: list[str], root: Path, pictures: str, match: image_match.MatchSettings
) -> list[tuple[list[image_match.Match], str | None]]:
    windows = _window_index(pictures, match)
    results: list[tuple[list[image_match.Match], str | None]] = []
    for path in paths:
        value, reason = see(root, path, "picture")
        results.append((windows.find_all(value), None) if isinstance(value, Picture) else ([], reason))
    return results


@lru_cache(1)
def _window_index(file: str, match: image_match.MatchSettings) -> image_match.WindowIndex:
    return image_match.WindowIndex(pickle.loads(Path(file).read_bytes()), match)
