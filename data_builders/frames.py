"""Where a box is: the picture that its numbers are measured in, and the ways of writing them down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mmtune.errors import UserError

Box = tuple[float, float, float, float]
Layout = Literal["xyxy", "xywh", "cxcywh"]
LAYOUTS: tuple[Layout, ...] = ("xyxy", "xywh", "cxcywh")


@dataclass(frozen=True, slots=True)
class Frame:
    """The picture in whose pixels boxes are given; it follows from the original image in two steps.

    Args:
        padded: whether the image stands in the middle of a square of its longer side.
        size: (width, height) in pixels to which the image, padded or not, was resized; None if it was not.

    Source: the offset of the padded square is LLaVA's expand2square: half the difference, rounded down.
    """

    padded: bool = False
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.size is not None and min(self.size) < 1:
            raise UserError(f"a frame of {self.size[0]} x {self.size[1]} pixels has no room for boxes")

    @property
    def name(self) -> str:
        """``original``, ``padded square``, ``resized`` or ``padded square, resized``."""
        names = ["padded square"] if self.padded else []
        names += ["resized"] if self.size else []
        return ", ".join(names) or "original"

    def extent(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of this frame in its own pixels, for an original image of this size."""
        return self.size or self._canvas(width, height)

    def from_original(self, box: Box, width: int, height: int) -> Box:
        """A box of the original image, in this frame.

        Args:
            box: left, top, right, bottom in pixels of the original image.
            width: of the original image, in pixels.
            height: of the original image, in pixels.
        """
        (right, down), (across, along) = self._shift(width, height), self._scale(width, height)
        x0, y0, x1, y1 = box
        return (x0 + right) * across, (y0 + down) * along, (x1 + right) * across, (y1 + down) * along

    def to_original(self, box: Box, width: int, height: int) -> Box:
        """A box of this frame, in pixels of the original image; the inverse of :meth:`from_original`.

        A box over the square's border comes out partly beyond the image: clipping is the caller's decision.
        """
        (right, down), (across, along) = self._shift(width, height), self._scale(width, height)
        x0, y0, x1, y1 = box
        return x0 / across - right, y0 / along - down, x1 / across - right, y1 / along - down

    def _canvas(self, width: int, height: int) -> tuple[int, int]:
        if width < 1 or height < 1:
            raise UserError(
                "the frame of boxes depends on the image's size, which is not known",
                fix="give the folder of the images, so that their sizes can be read",
            )
        side = max(width, height)
        return (side, side) if self.padded else (width, height)

    def _shift(self, width: int, height: int) -> tuple[int, int]:
        across, along = self._canvas(width, height)
        return (across - width) // 2, (along - height) // 2

    def _scale(self, width: int, height: int) -> tuple[float, float]:
        across, along = self._canvas(width, height)
        return (self.size[0] / across, self.size[1] / along) if self.size else (1, 1)


ORIGINAL = Frame()
"""The image as its file holds it, upright."""
PADDED_SQUARE = Frame(padded=True)
"""What LLaVA-1.5's ``pad`` policy shows the model."""


def convert(box: Box, width: int, height: int, source: Frame, target: Frame) -> Box:
    """A box of one frame in another; only the shift and the scale that differ are applied.

    Args:
        box: left, top, right, bottom in pixels of ``source``.
        width: of the original image, in pixels.
        height: of the original image, in pixels.
        source: the frame that the box is in.
        target: the frame to bring it to.
    """
    if source == target:
        return box
    return target.from_original(source.to_original(box, width, height), width, height)


def to_xyxy(values: tuple[float, float, float, float], layout: Layout) -> Box:
    """Four numbers of some layout as left, top, right, bottom.

    Args:
        values: ``xywh`` is left, top, width, height; ``cxcywh`` is the centre, width, height.
        layout: which of ``LAYOUTS`` the values are in.
    """
    a, b, c, d = values
    if layout == "xywh":
        return a, b, a + c, b + d
    if layout == "cxcywh":
        return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    return a, b, c, d


def from_xyxy(box: Box, layout: Layout) -> tuple[float, float, float, float]:
    """Left, top, right, bottom as four numbers of some layout; the inverse of :func:`to_xyxy`."""
    x0, y0, x1, y1 = box
    if layout == "xywh":
        return x0, y0, x1 - x0, y1 - y0
    if layout == "cxcywh":
        return (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
    return box


def to_fractions(box: Box, extent: tuple[int, int], digits: int | None = None) -> Box:
    """A box in shares of its frame, 0 to 1.

    In the frame ``PADDED_SQUARE`` these are LLaVA's coordinates, which it prints with two or three digits.

    Args:
        box: in pixels of a frame.
        extent: (width, height) of that frame.
        digits: after the point, None for all.
    """
    width, height = extent
    x0, y0, x1, y1 = box
    shares = (x0 / width, y0 / height, x1 / width, y1 / height)
    if digits is None:
        return shares
    left, top, right, bottom = (round(value, digits) for value in shares)
    return left, top, right, bottom


def from_fractions(shares: Box, extent: tuple[int, int]) -> Box:
    """A box given in shares of its frame, in pixels; the inverse of :func:`to_fractions`."""
    width, height = extent
    x0, y0, x1, y1 = shares
    return x0 * width, y0 * height, x1 * width, y1 * height


def to_bins(box: Box, extent: tuple[int, int], bins: int = 1000) -> tuple[int, int, int, int]:
    """A box in whole steps of 1 / ``bins`` of its frame, each rounded to the nearest, as Qwen-VL writes it.

    Args:
        box: in pixels of a frame.
        extent: (width, height) of that frame.
        bins: steps along each side; 1000, or 999 in older code.
    """
    left, top, right, bottom = (
        min(bins, max(0, math.floor(share * bins + 0.5))) for share in to_fractions(box, extent)
    )
    return left, top, right, bottom


def from_bins(steps: tuple[int, int, int, int], extent: tuple[int, int], bins: int = 1000) -> Box:
    """The box in pixels that whole steps stand for; :func:`to_bins` gives the same steps back."""
    a, b, c, d = steps
    width, height = extent
    return a * width / bins, b * height / bins, c * width / bins, d * height / bins
