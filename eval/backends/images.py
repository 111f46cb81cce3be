"""Images of asks, for back ends that open them themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eval.asking import Ask
from mmtune.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image


def open_all(ask: Ask) -> list[Image] | UserError:
    """The upright RGB images of an ask, or why one of them is none."""
    from mmtune.images.decoding import load_image

    try:
        return [load_image(Path(ask.root), image) for image in ask.images]
    except UserError as error:
        return error
