"""Images and videos that the user names, wherever they lie on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmtune.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

    from mmtune.decode.requests import Clip
    from mmtune.images.policies import ImagePolicy


@dataclass(frozen=True)
class Shown:
    """A file that a conversation is about."""

    path: Path
    """An image file; for a video a folder of frames, an animated image or a video file."""
    video: bool = False


def open_file(path: str | Path) -> Image:
    """Open an image that the user names, under the usual limits of size and format.

    Raises:
        UserError: if there is no such image or it cannot be used.
    """
    from mmtune.images.loading import load_image

    file = _found(path, "image file")
    return load_image(file.parent, file.name)


def check(shown: Shown) -> None:
    """Refuse what cannot be used, before a model is loaded to look at it.

    Raises:
        UserError: as ``open_all``; of a video only the header is read.
    """
    if not shown.video:
        open_file(shown.path)
        return
    from mmtune.images.video import find_video

    file = _found(shown.path, "video")
    find_video(file.parent, file.name).size()


def open_all(shown: Sequence[Shown], policy: ImagePolicy) -> list[Image | Clip]:
    """What a model sees of some files, in their order.

    Args:
        shown: images and videos.
        policy: of the model; its settings say how many frames of a video are seen.

    Raises:
        UserError: if one is missing, damaged, too large, or a frame has more visual tokens than a video may.
    """
    from mmtune.decode.requests import Clip
    from mmtune.images.video import load_clip
    from mmtune.records import ImageRef

    opened: list[Image | Clip] = []
    for one in shown:
        if one.video:
            file = _found(one.path, "video")
            frames = load_clip(file.parent, ImageRef(file.name, video=True), policy)
            opened.append(Clip(tuple(frames)))
        else:
            opened.append(open_file(one.path))
    return opened


def looks_like_video(path: str | Path) -> bool:
    """Whether a file of unknown kind is to be seen as a video: by its ending, or by having several frames."""
    from PIL import Image

    from mmtune.images.video import AnimatedImage

    file = Path(path)
    if file.suffix.lower() not in Image.registered_extensions():
        return True
    try:
        return AnimatedImage(file, file.name).count() > 1
    except UserError:
        return False  # what is wrong with it is told where it is opened


def _found(path: str | Path, kind: str) -> Path:
    try:
        return Path(path).expanduser().resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"There is no such {kind}", str(path), "check the path") from error
