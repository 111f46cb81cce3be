"""What a reader is given, and what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data_builders.readers.peek import Peek
from data_builders.scenes import Scene


@dataclass(frozen=True, slots=True)
class Inputs:
    """The annotations and what a person knows about them.

    Args:
        paths: annotation files or their folder, all of one format.
        images: folder that image paths are relative to. With it an image that is not there is a problem, and
            sizes that the annotation lacks are read out of the images.
        exhaustive: classes of which every instance is annotated; None believes what the format promises.
    """

    paths: tuple[Path, ...]
    images: Path | None = None
    exhaustive: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """A format of annotations.

    Args:
        reads: what it reads, in one line.
        recognises: whether a file or folder is of this format.
        read: (inputs, report, settings of its own) -> scenes, one after the other; what it leaves out, it
            reports with the row's id.
    """

    reads: str
    recognises: Callable[[Peek], bool]
    read: Callable[..., Iterator[Scene]]
