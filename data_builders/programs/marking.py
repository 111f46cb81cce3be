"""Draw marks into a copy of an image: a box around each object, with its number or in its color."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from data_builders.programs.view import View

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (230, 25, 25),
    "green": (20, 160, 40),
    "blue": (20, 70, 230),
    "yellow": (250, 220, 20),
}
"""Colors of boxes, by the name that questions use."""
_LEAST_SIDE = 336
"""Pixels of the shorter side that a copy has at least, so that numbers can be read."""
_INK = (230, 25, 25)


def draw_marks(picture: Image.Image, view: View, marks: Sequence[Sequence[str]]) -> Image.Image:
    """A copy of the picture with a box for each mark; small pictures are enlarged by a whole factor.

    Args:
        picture: RGB; of any size, since boxes are scaled from the scene's size to it.
        view: the scene.
        marks: [label, object id] of each.
    """
    factor = max(1, -(-_LEAST_SIDE // min(picture.size)))
    size = (picture.width * factor, picture.height * factor)
    copy = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(copy)
    across, down = size[0] / view.width, size[1] / view.height
    line = max(2, min(size) // 160)
    font = ImageFont.load_default(size=max(14, min(size) // 20))
    for label, item_id in marks:
        x0, y0, x1, y1 = view.by_id[item_id].box_xyxy
        color = COLORS.get(label, _INK)
        corners = (x0 * across, y0 * down, x1 * across - 1, y1 * down - 1)
        pen.rectangle(corners, outline=color, width=line)
        if label not in COLORS:
            left, top, right, bottom = font.getbbox(label)
            tag = (corners[0], corners[1], corners[0] + right - left + 6, corners[1] + bottom - top + 6)
            pen.rectangle(tag, fill=_INK)
            pen.text((tag[0] + 3 - left, tag[1] + 3 - top), label, fill=(255, 255, 255), font=font)
    return copy


def copy_name(record_id: str) -> str:
    """A file name for the copy of a record: whatever its id holds, it stays inside its folder."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", record_id)[:80]
    return f"{safe}-{hashlib.sha256(record_id.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}.png"
