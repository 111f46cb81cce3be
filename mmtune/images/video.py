"""Videos as evenly spaced frames: a folder of frames, an animated image, a video file (extra ``video``)."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageSequence

from mmtune.errors import UserError
from mmtune.images.decoding import (
    MAX_PIXELS,
    ImageError,
    first_line,
    open_header,
    resolve_path,
    to_rgb,
    upright_image,
    upright_size,
)
from mmtune.records import ImageRef

if TYPE_CHECKING:  # it imports PyTorch, and builders that read videos run without
    from mmtune.images.policies.base import ImagePolicy

ANIMATED = (".gif", ".webp", ".png", ".apng", ".avif")
"""Endings of files that Pillow opens frame by frame; any other file is a video."""

_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf"
"""Formats whose files hold their own pictures; playlists, which name other files and servers, are left
out."""


class Video(ABC):
    """A video that was found; nothing of it is decoded yet.

    Args:
        file: the file or folder.
        path: its path as the record names it, for messages.
    """

    def __init__(self, file: Path, path: str) -> None:
        self.file = file
        self.path = path

    @abstractmethod
    def count(self) -> int:
        """Frames, at least 1."""

    @abstractmethod
    def size(self) -> tuple[int, int]:
        """(width, height) of the first frame in pixels."""

    @abstractmethod
    def frames(self, numbers: Sequence[int]) -> list[Image.Image]:
        """The frames of these numbers, in rising order, as RGB images."""


class FrameFolder(Video):
    """A folder with an image a frame, in the order of their names, numbers in them counting as numbers."""

    def __init__(self, file: Path, path: str) -> None:
        super().__init__(file, path)
        self.names = sorted(
            (f.name for f in file.iterdir() if f.is_file() and f.name[0] != "."), key=_natural
        )
        if not self.names:
            raise ImageError("the folder holds no frames", path, "give a folder with an image for each frame")

    def count(self) -> int:
        """Files of the folder."""
        return len(self.names)

    def size(self) -> tuple[int, int]:
        """Of the first file."""
        return upright_size(self.file, self.names[0])

    def frames(self, numbers: Sequence[int]) -> list[Image.Image]:
        """The files of these numbers; all are brought to the size of the first."""
        size = self.size()
        images = [upright_image(self.file, self.names[number]) for number in numbers]
        return [image if image.size == size else image.resize(size) for image in images]


class AnimatedImage(Video):
    """A GIF, WebP or PNG of several frames."""

    def count(self) -> int:
        """Frames by the file's own account."""
        with open_header(self.file, self.path, MAX_PIXELS) as image, _decoding(self.path):
            return getattr(image, "n_frames", 1)

    def size(self) -> tuple[int, int]:
        """Of the canvas."""
        with open_header(self.file, self.path, MAX_PIXELS) as image:
            return image.size

    def frames(self, numbers: Sequence[int]) -> list[Image.Image]:
        """Decoded from the start, since a frame may hold only what changed since the one before."""
        wanted, found = set(numbers), []
        with open_header(self.file, self.path, MAX_PIXELS) as image, _decoding(self.path):
            for number, frame in enumerate(ImageSequence.Iterator(image)):
                if number in wanted:
                    found.append(to_rgb(frame.copy()))
        return _all(found, numbers, self.path)


class VideoFile(Video):
    """Anything that PyAV decodes."""

    def count(self) -> int:
        """Frames by the container's account, or the packets of the stream where it keeps none."""
        with self._open() as (container, stream):
            return max(1, stream.frames or sum(1 for packet in container.demux(stream) if packet.size))

    def size(self) -> tuple[int, int]:
        """By the stream's header."""
        with self._open() as (_, stream):
            return stream.codec_context.width, stream.codec_context.height

    def frames(self, numbers: Sequence[int]) -> list[Image.Image]:
        """Decoded from the start to the last one wanted: exact, whatever the file says of key frames."""
        wanted, found = set(numbers), []
        with self._open() as (container, stream), _decoding(self.path):
            stream.thread_type = "AUTO"
            for number, frame in enumerate(container.decode(stream)):
                if number in wanted:
                    found.append(frame.to_image().convert("RGB"))
                if number >= numbers[-1]:
                    break
        return _all(found, numbers, self.path)

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, Any]]:
        try:
            import av
        except ImportError as error:
            raise UserError(
                "video files need PyAV, which is not installed",
                self.path,
                "pip install 'mmtune[video]', or give a folder of frames or a GIF",
            ) from error
        options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
        with _decoding(self.path), av.open(str(self.file), options=options) as container:
            if not container.streams.video:
                raise ImageError("the file holds no video", self.path)
            stream = container.streams.video[0]
            width, height = stream.codec_context.width, stream.codec_context.height
            if not 0 < width * height <= MAX_PIXELS:
                raise ImageError(f"the video has frames of {width} x {height} pixels", self.path)
            yield container, stream


def find_video(root: Path | str, path: str) -> Video:
    """The video behind a path, which must lie inside the image root.

    Raises:
        ImageError: if there is nothing, it leads out of the root, or a folder holds no frames.
    """
    file = resolve_path(root, path)
    if file.is_dir():
        return FrameFolder(file, path)
    kind = AnimatedImage if file.suffix.lower() in ANIMATED else VideoFile
    return kind(file, path)


def choose_frames(count: int, most: int) -> list[int]:
    """Numbers of at most ``most`` of ``count`` frames, evenly spaced, the first and the last among them.

    Source: the uniform sampling of LLaVA-NeXT.
    """
    if most == 1 or count == 1:
        return [0]
    taken = min(count, most)
    return [number * (count - 1) // (taken - 1) for number in range(taken)]


def plan_frames(root: Path | str, ref: ImageRef, policy: ImagePolicy) -> list[ImageRef]:
    """The frames of a video that a model sees under its policy and its settings; only headers are read.

    Args:
        root: folder that paths are relative to.
        ref: a reference to a video.
        policy: how a frame becomes visual tokens; ``video_frames`` and ``video_tokens`` of its settings limit
            the number of frames.

    Raises:
        ImageError: if the video cannot be used, or not even one frame fits into ``video_tokens``.
    """
    video = find_video(root, ref.path)
    settings = policy.settings
    most = settings.video_frames
    if settings.video_tokens is not None:
        a_frame = policy.token_count(*video.size(), frame=True)
        most = min(most, settings.video_tokens // a_frame)
        if most < 1:
            raise ImageError(
                f"one frame gives {a_frame} visual tokens and the limit is {settings.video_tokens}",
                ref.path,
                "raise model.images.video_tokens, or use a projector that keeps fewer tokens",
            )
    return [replace(ref, video=False, frame=number) for number in choose_frames(video.count(), most)]


def load_frames(root: Path | str, refs: Sequence[ImageRef]) -> list[Image.Image]:
    """The images behind references to frames of one video, which is decoded once.

    Args:
        root: folder that paths are relative to.
        refs: frames of one path, in rising order.

    Raises:
        ImageError: if the video is missing, damaged or shorter than it says.
    """
    numbers = [ref.frame for ref in refs if ref.frame is not None]
    return find_video(root, refs[0].path).frames(numbers)


def load_clip(root: Path | str, ref: ImageRef, policy: ImagePolicy) -> list[Image.Image]:
    """The frames that a model sees of a video, as ``plan_frames`` chooses them."""
    return load_frames(root, plan_frames(root, ref, policy))


@contextmanager
def _decoding(path: str) -> Iterator[None]:
    """Decoders answer broken files with exceptions of every kind; all become one."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise ImageError(
            f"the video cannot be decoded, it is damaged or of an unknown kind: {first_line(error)}",
            path,
            "convert it, or give a folder of frames",
        ) from error


def _all(found: list[Image.Image], numbers: Sequence[int], path: str) -> list[Image.Image]:
    """As many frames as were planned: the last one stands for those that the file promised in vain."""
    if not found:
        raise ImageError("the video has no frame that can be decoded", path)
    return [*found, *[found[-1]] * (len(numbers) - len(found))]


def _natural(name: str) -> list[tuple[int, str]]:
    """A key under which frame 10 comes behind frame 9."""
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.split(r"(\d+)", name)]
