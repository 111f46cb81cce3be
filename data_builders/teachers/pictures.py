"""Images as a teacher gets them: read when their turn has come, safely, and named by their content."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mmtune.images.decoding import open_header, resolve_image, upright_size
from mmtune.images.loading import load_image
from mmtune.records import ImageRef

if TYPE_CHECKING:
    from PIL import Image

SENT_AS_THEY_ARE = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""Formats that every endpoint reads; others are sent as PNG."""


@dataclass(frozen=True)
class Picture:
    """An image file inside an image root.

    Args:
        root: folder that the path starts from.
        ref: the image, or one frame of a video.
        side_px: longest side that is sent; larger images are shrunk to it. Endpoints bill by size.
    """

    root: Path
    ref: ImageRef
    side_px: int | None = None

    @cached_property
    def sha256(self) -> str:
        """Of the file's bytes, or of the frame's, and of the size that it is shrunk to.

        Raises:
            ImageError: if there is no such image in the root.
        """
        # Not decoded: a cache is asked for many images whose answers it has.
        data = self.encoded()[1] if self.ref.is_video else resolve_image(self.root, self.ref).read_bytes()
        return hashlib.sha256(data + f"\0{self.side_px}".encode()).hexdigest()

    @property
    def key(self) -> Hashable:
        """Equal for two that show the same, without a look at the file."""
        return str(self.root), self.ref, self.side_px

    def open(self) -> Image.Image:
        """The upright RGB image, shrunk to ``side_px``.

        Raises:
            ImageError: as ``mmtune.images.loading.load_image``.
        """
        image = load_image(self.root, self.ref)
        if self.side_px is not None and max(image.size) > self.side_px:
            image.thumbnail((self.side_px, self.side_px))
        return image

    def size(self) -> tuple[int, int]:
        """(width, height) as it is sent, from the header alone."""
        width, height = self.open().size if self.ref.is_video else upright_size(self.root, self.ref.path)
        if self.side_px is not None and max(width, height) > self.side_px:
            scale = self.side_px / max(width, height)
            width, height = max(1, round(width * scale)), max(1, round(height * scale))
        return width, height

    def encoded(self) -> tuple[str, bytes]:
        """Media type and bytes: the file itself where it can be sent so, else as PNG.

        Raises:
            ImageError: as ``mmtune.images.loading.load_image``.
        """
        image = self.open()  # also refuses a file that is damaged or cut short, before anybody is asked
        if not self.ref.is_video:
            file = resolve_image(self.root, self.ref)
            with open_header(file, self.ref.path, max_pixels=10**9) as stored:
                form, as_stored = stored.format or "", stored.size == image.size
                turned = form == "JPEG" and stored.getexif().get(0x0112, 1) != 1
            if form in SENT_AS_THEY_ARE and as_stored and not turned:
                return SENT_AS_THEY_ARE[form], file.read_bytes()
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        return "image/png", buffer.getvalue()

    def data_url(self) -> str:
        """The image inside a URL, as chat endpoints take it."""
        media, data = self.encoded()
        return f"data:{media};base64,{base64.b64encode(data).decode('ascii')}"
