"""The image of a scene: a path that stays inside its folder, and a size."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import unquote, urlsplit

from data_builders.readers.fields import RowError
from mmtune.records import ImageRef

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
_DRIVE = re.compile(r"[A-Za-z]:")


class Pictures:
    """Finds the images that annotations name.

    Args:
        root: folder of the images; None where there are none at hand, so that paths are only looked at.
    """

    def __init__(self, root: Path | None) -> None:
        self.root = root

    def find(self, names: Iterable[str]) -> ImageRef:
        """The first of several possible paths that is there; the first of all where there is no folder.

        Raises:
            RowError: if a path leaves the folder, or none of them is an image file's.
        """
        from mmtune.images.decoding import ImageError, resolve_image

        reason = "the image has no name"
        for name in names:
            path = inside(name)
            if self.root is None:
                return ImageRef(path)
            try:
                resolve_image(self.root, path)
            except ImageError as error:
                reason = f"{error.what}: {path}"
                continue
            return ImageRef(path)
        raise RowError(reason)

    def size(self, image: ImageRef, stated: tuple[int, int]) -> tuple[int, int]:
        """(width, height) in pixels: as the annotation states it, else out of the file's header, else (0, 0).

        Raises:
            RowError: if the size is needed and the file is no image.
        """
        if stated != (0, 0) or self.root is None:
            return stated
        from mmtune.images.decoding import ImageError
        from mmtune.images.loading import image_size

        try:
            return image_size(self.root, image)
        except ImageError as error:
            raise RowError(f"{error.what}: {image.path}") from error


def inside(path: Any) -> str:
    """The path, if it cannot leave the folder that it is relative to.

    Raises:
        RowError: if it is no text, empty, absolute, climbs with ``..`` or holds a zero byte.
    """
    if not isinstance(path, str):
        raise RowError(f"the image's path is a {type(path).__name__}")
    plain = path.replace("\\", "/")
    if not plain or "\0" in plain:
        raise RowError("the image's path is empty or holds a zero byte")
    if PurePosixPath(plain).is_absolute() or PureWindowsPath(path).drive or _DRIVE.match(path):
        raise RowError(f"the image's path is absolute: {path}")
    if ".." in plain.split("/"):
        raise RowError(f"the image's path climbs out with '..': {path}")
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise RowError("the image's path is not UTF-8") from error
    return path


def url_paths(url: str) -> list[str]:
    """Where the file behind an address may lie: under its last folder, or by its name alone."""
    if "://" not in url:
        return [url]
    parts = [part for part in unquote(urlsplit(url).path).split("/") if part]
    return ["/".join(parts[-2:]), parts[-1]] if parts else []
