"""An image by its reference: of a file, of bytes inside a table, or a frame of a video."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from mmtune.images.decoding import MAX_PIXELS, Orientation, upright_image, upright_size
from mmtune.images.video import find_video
from mmtune.records import ImageRef


def image_size(
    root: Path | str, ref: ImageRef | str, *, max_pixels: int = MAX_PIXELS, orientation: Orientation = "exif"
) -> tuple[int, int]:
    """Read (width, height) of the upright image, or of a video's frames, without decoding pixels.

    Args:
        root: folder that image paths are relative to.
        ref: a POSIX path relative to ``root``.
        max_pixels: largest width x height accepted.
        orientation: as in :func:`load_image`.

    Raises:
        ImageError: if the path, the file or the header is refused.
    """
    if isinstance(ref, ImageRef) and ref.is_video:
        return find_video(root, ref.path).size()
    return upright_size(root, ref, max_pixels=max_pixels, orientation=orientation)


def load_image(
    root: Path | str, ref: ImageRef | str, *, max_pixels: int = MAX_PIXELS, orientation: Orientation = "exif"
) -> Image.Image:
    """Decode an image, or the first frame of an animated one, as upright RGB; of a video the frame asked for.

    Args:
        root: folder that image paths are relative to.
        ref: a POSIX path relative to ``root``.
        max_pixels: largest width x height accepted.
        orientation: as in :func:`mmtune.images.decoding.upright_image`.

    Returns:
        An RGB image without metadata.

    Raises:
        ImageError: if the path leaves the root, or the file is missing, empty, no image, gigantic or
            cut short.
    """
    if isinstance(ref, ImageRef) and ref.is_video:
        return find_video(root, ref.path).frames([ref.frame or 0])[0]
    return upright_image(root, ref, max_pixels=max_pixels, orientation=orientation)
