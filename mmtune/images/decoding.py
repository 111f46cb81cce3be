"""Open an image that a stranger wrote: inside its root, of a bounded size, whole, upright and RGB."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from mmtune.errors import UserError
from mmtune.records import ImageRef

MAX_PIXELS = 89_478_485
"""Largest image opened unless asked otherwise: Pillow's own warning limit, 0.36 GB once decoded."""

MAX_SIDE = 1_000_000
"""Longest side: the filter of a longer strip alone would take gigabytes."""

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF", "TGA", "ICO")
"""Raster formats only: Pillow opens others (EPS) by running a program on the file."""

Orientation = Literal["exif", "ignore"]

_ORIENTATION_TAG = 0x0112
_TIFF_WIDTH, _TIFF_HEIGHT = 0x0100, 0x0101

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_SIDEWAYS = (5, 6, 7, 8)


class ImageError(UserError):
    """An image that cannot be used; its record goes to the quarantine file."""


def resolve_path(root: Path | str, path: str) -> Path:
    """What a path names, which must lie inside the image root.

    Args:
        root: folder that paths are relative to.
        path: a POSIX path relative to ``root``.

    Raises:
        ImageError: if the path is empty, absolute, climbs with ``..``, or reaches something outside the root
            through a symbolic link; if there is nothing.
    """
    inside = "give a path inside the image root"
    if not path or "\0" in path:
        raise ImageError("the image path is empty or holds a zero byte", repr(path), inside)
    if PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive:
        raise ImageError("the image path is absolute", path, "give a path relative to the image root")
    if ".." in path.replace("\\", "/").split("/"):
        raise ImageError("the image path climbs out with '..'", path, inside)
    file = os.path.join(root, path)
    try:
        real, real_root = os.path.realpath(file), os.path.realpath(root)
        if real != real_root and not real.startswith(real_root.rstrip(os.sep) + os.sep):
            raise ImageError(
                f"the image path leads through a symbolic link out of the image root {root}",
                path,
                "set image_root to a folder that holds the link's target, or copy the images",
            )
        os.stat(real)
    except FileNotFoundError as error:
        raise ImageError(
            f"the image does not exist in the image root {root}", path, "check image_root and the path"
        ) from error
    except OSError as error:
        raise ImageError(f"the image cannot be reached: {error.strerror or error}", path) from error
    return Path(real)


def resolve_image(root: Path | str, ref: ImageRef | str) -> Path:
    """The file behind an image reference, which must lie inside the image root.

    Args:
        root: folder that image paths are relative to.
        ref: a POSIX path relative to ``root``.

    Raises:
        ImageError: as ``resolve_path``, or if it is empty or not a file.
    """
    path = ref if isinstance(ref, str) else ref.path
    file = resolve_path(root, path)
    if not file.is_file():
        raise ImageError("the image path is not a file", path, "give the path of an image file")
    if file.stat().st_size == 0:
        raise ImageError("the image file is empty (0 bytes)", path, "fetch or copy it again")
    return file


def _content(root: Path | str, ref: ImageRef | str) -> tuple[Path | BytesIO, str]:
    """What to open of an image, and its name for messages.

    Raises:
        ImageError: as ``resolve_image``, or if its file ends before it.
    """
    file = resolve_image(root, ref)
    if isinstance(ref, str) or ref.span is None:
        return file, ref if isinstance(ref, str) else ref.path
    start, length = ref.span
    name = f"{ref.path}, bytes {start} to {start + length}"
    with file.open("rb") as shard:
        shard.seek(start)
        content = shard.read(length)
    if not content or len(content) < length:
        raise ImageError("the image's file ends before the image does", name, "fetch or build it again")
    return BytesIO(content), name


@cache
def _formats() -> tuple[str, ...]:
    """Those of ``FORMATS`` that this Pillow was built with; it fails on a name that it has not registered."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def open_header(file: Path | BytesIO, path: str, max_pixels: int) -> Image.Image:
    """Read an image's header and refuse what is no image or too large."""
    try:
        image = Image.open(file, formats=_formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"the image is gigantic: more than the {max_pixels:,} pixels allowed",
            path,
            "shrink it or leave it out",
        ) from error
    except Image.UnidentifiedImageError as error:
        raise ImageError(
            "the file is not an image of a known kind", path, f"use one of {', '.join(_formats())}"
        ) from error
    except Exception as error:  # Decoders answer hostile headers with exceptions of every kind.
        raise ImageError(f"the image's header cannot be read: {first_line(error)}", path) from error
    width, height = image.size
    if width * height > max_pixels:
        image.close()
        raise ImageError(
            f"the image is gigantic: {width} x {height} pixels, more than the {max_pixels:,} allowed",
            path,
            "shrink it or leave it out",
        )
    if max(width, height) > MAX_SIDE:
        image.close()
        raise ImageError(
            f"the image is a strip of {width} x {height} pixels, no side may have more than {MAX_SIDE:,}",
            path,
            "cut it or leave it out",
        )
    if width < 1 or height < 1:
        image.close()
        raise ImageError(f"the image has no pixels: {width} x {height}", path)
    return image


def first_line(error: Exception) -> str:
    """The first line of an exception, for one sentence."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation that is left to apply, 1 where there is none or it cannot be read."""
    # Pillow itself turns a TIFF upright while it decodes it.
    if image.format == "TIFF":
        return 1
    # A PNG without EXIF in front of its pixels would be decoded in search of some behind them.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001 - broken EXIF comes in every kind and says nothing about the pixels
        return 1
    return value if value in _UPRIGHT else 1


def _tiff_size(tags: Mapping[int, Any]) -> tuple[int, int]:
    """(width, height) of a TIFF once it is decoded: only newer versions of Pillow tell it before that."""
    width, height = int(tags[_TIFF_WIDTH]), int(tags[_TIFF_HEIGHT])
    return (height, width) if tags.get(_ORIENTATION_TAG, 1) in _SIDEWAYS else (width, height)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB; transparency is dropped, not composited, as in the reference loaders."""
    if image.mode.startswith("I"):
        # Pillow clips 16-bit grey at 255, which leaves a white page; scale 0..65535 down instead.
        grey = np.clip(np.asarray(image, dtype=np.int64), 0, 65535)
        image = Image.fromarray(((grey + 128) // 257).astype(np.uint8))
    return image.convert("RGB")


def upright_size(
    root: Path | str, ref: ImageRef | str, *, max_pixels: int = MAX_PIXELS, orientation: Orientation = "exif"
) -> tuple[int, int]:
    """(width, height) of an upright image from its header, without decoding pixels.

    Args:
        root: folder that image paths are relative to.
        ref: a POSIX path relative to ``root``; no video.
        max_pixels: largest width x height accepted.
        orientation: as in :func:`upright_image`.

    Raises:
        ImageError: if the path, the file or the header is refused.
    """
    file, path = _content(root, ref)
    with open_header(file, path, max_pixels) as image:
        if isinstance(image, TiffImageFile):
            return _tiff_size(image.tag_v2)
        width, height = image.size
        if orientation == "exif" and _orientation(image) in _SIDEWAYS:
            return height, width
        return width, height


def upright_image(
    root: Path | str, ref: ImageRef | str, *, max_pixels: int = MAX_PIXELS, orientation: Orientation = "exif"
) -> Image.Image:
    """Decode an image, or the first frame of an animated one, as upright RGB.

    Args:
        root: folder that image paths are relative to.
        ref: a POSIX path relative to ``root``; no video.
        max_pixels: largest width x height accepted.
        orientation: ``exif`` turns the image upright, as every viewer and every annotator shows it;
            ``ignore`` leaves it as Pillow opens it, as LLaVA's loader does: as stored, but for TIFF.

    Returns:
        An RGB image without metadata.

    Raises:
        ImageError: if the path leaves the root, or the file is missing, empty, no image, gigantic or
            cut short.
    """
    file, path = _content(root, ref)
    with open_header(file, path, max_pixels) as image:
        turn = _orientation(image) if orientation == "exif" else 1
        try:
            image.load()
            rgb = to_rgb(image)
        except Exception as error:  # Decoders answer broken files with exceptions of every kind.
            raise ImageError(
                f"the image cannot be decoded, it is damaged or cut short: {first_line(error)}",
                path,
                "fetch or copy it again",
            ) from error
    rgb.info = {}
    return rgb if turn == 1 else rgb.transpose(_UPRIGHT[turn])
