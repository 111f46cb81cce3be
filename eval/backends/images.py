"""Images of asks, for back ends that open them themselves."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data_builders.teachers.pictures import Picture
from eval.asking import Ask
from eval.robustness.alterations import alter, load_altered
from mmtune.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image


def open_all(ask: Ask) -> list[Image] | UserError:
    """The upright RGB images of an ask, altered as it says, or why one of them is none."""
    try:
        return [load_altered(Path(ask.root), image, ask.alteration) for image in ask.images]
    except UserError as error:
        return error


@dataclass(frozen=True)
class AlteredPicture(Picture):
    """An image as an endpoint gets it: without an alteration the file itself, else as PNG."""

    alteration: str = ""

    @property
    def sha256(self) -> str:  # type: ignore[override]
        """Of the file's bytes and the alteration.

        Raises:
            ImageError: as ``Picture.sha256``.
        """
        plain = Picture(self.root, self.ref, self.side_px).sha256
        return (
            hashlib.sha256(f"{plain}\0{self.alteration}".encode()).hexdigest() if self.alteration else plain
        )

    @property
    def key(self) -> Hashable:
        """Equal for two that show the same, without a look at the file."""
        return super().key, self.alteration

    def open(self) -> Image:
        """The upright RGB image, altered."""
        return alter(super().open(), self.alteration)

    def encoded(self) -> tuple[str, bytes]:
        """Media type and bytes."""
        if not self.alteration:
            return super().encoded()
        buffer = io.BytesIO()
        self.open().save(buffer, format="PNG")
        return "image/png", buffer.getvalue()
