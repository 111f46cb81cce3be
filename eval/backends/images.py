"""Images of asks, for back ends that open them themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eval.asking import Ask
from mmtune.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image


def open_of(ask: Ask) -> Image | UserError:
    """The upright RGB image of an ask, or why there is none."""
    from mmtune.images.decoding import load_image

    try:
        return load_image(Path(ask.root), ask.image)
    except UserError as error:
        return error
