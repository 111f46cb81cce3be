"""Text drawn into an image: a band with black words on white, at its top, middle or bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

PLACES = {"top": 0.0, "middle": 0.5, "bottom": 1.0}
"""Where the band lies: 0 at the upper edge, 1 at the lower one."""
_LARGEST, _SMALLEST = 10, 6
"""Letters are a tenth of the shorter side high, or less where the text is long, down to six pixels."""
_TALLEST = 0.4
"""Share of the image's height that the band may cover before letters shrink."""


def can_be_drawn(text: str) -> bool:
    """Whether Pillow's own font has all the letters: it has those of ASCII."""
    return text.isascii() and text.isprintable() and bool(text.strip())


def with_text(image: Image, how: str) -> Image:
    """With the text of ``PLACE,TEXT`` drawn over it.

    Raises:
        ValueError: for a text that the font has no letters for.
    """
    from PIL import ImageDraw

    place, _, text = how.partition(",")
    if not can_be_drawn(text):
        raise ValueError(f"the text {text!r} has letters that cannot be drawn")
    size = max(_SMALLEST, min(image.size) // _LARGEST)
    lines, font, height = _laid_out(text, image.width, size)
    while height * len(lines) > _TALLEST * image.height and size > _SMALLEST:
        size -= 1
        lines, font, height = _laid_out(text, image.width, size)
    band = min(image.height, height * len(lines) + height // 2)
    top = round(PLACES[place] * (image.height - band))
    drawn = image.copy()
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((0, top, image.width, top + band - 1), fill="white")
    for number, line in enumerate(lines):
        across = (image.width - font.getlength(line)) // 2
        pen.text((max(0, across), top + height // 4 + number * height), line, fill="black", font=font)
    return drawn


def _laid_out(text: str, width: int, size: int) -> tuple[list[str], FreeTypeFont | ImageFont, int]:
    """Lines that fit the width as far as words allow, their font, and the height of a line."""
    from PIL import ImageFont

    font = ImageFont.load_default(size=size)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > 0.94 * width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines, font, round(1.3 * size)
