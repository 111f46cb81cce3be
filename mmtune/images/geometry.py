"""What a vision tower wants to see: the pixels of one view, and the visual tokens it gives for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmtune.errors import UserError

RESAMPLES = ("nearest", "bilinear", "bicubic", "lanczos")

Resample = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Fit = Literal["crop", "stretch", "contain"]
Triple = tuple[float, float, float]

CLIP_MEAN: Triple = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Triple = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Grid:
    """Rows and columns of a patch grid, row-major."""

    rows: int
    cols: int

    @property
    def cells(self) -> int:
        """Number of patches of the grid."""
        return self.rows * self.cols


@dataclass(frozen=True)
class ViewGeometry:
    """The square view that a tower takes, read from its preprocessor configuration.

    Args:
        size: pixels of the view's side.
        patch: pixels of a patch's side.
        mean: mean of each channel, of values in 0..1.
        std: standard deviation of each channel, of values in 0..1.
        resample: the filter for resizing.
        fit: what resizing does with an image that is not square: ``crop`` makes the short side ``size`` and
            keeps the centre (CLIP), ``stretch`` makes both sides ``size`` (SigLIP), ``contain`` makes the
            long side ``size`` and leaves black beside the image (open_clip's ``longest``).
    """

    size: int
    patch: int
    mean: Triple = CLIP_MEAN
    std: Triple = CLIP_STD
    resample: Resample = "bicubic"
    fit: Fit = "crop"

    def __post_init__(self) -> None:
        if self.size < 1 or self.patch < 1 or self.patch > self.size:
            raise UserError(
                f"a view of {self.size} pixels cannot be cut into patches of {self.patch}",
                "the vision tower's preprocessor configuration",
            )
        if self.resample not in RESAMPLES:
            raise UserError(
                f"unknown resampling filter {self.resample!r}",
                "the vision tower's preprocessor configuration",
                f"use one of {', '.join(RESAMPLES)}",
            )
        if self.fit not in ("crop", "stretch", "contain"):
            raise UserError(
                f"unknown fit {self.fit!r}", "the vision tower's geometry", "use crop, stretch or contain"
            )
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise UserError(
                "the channel means and deviations must be three numbers each, deviations above 0",
                "the vision tower's preprocessor configuration",
            )
        # A list would come from JSON; tuples keep the value hashable and equal to one built in code.
        object.__setattr__(self, "mean", tuple(float(m) for m in self.mean))
        object.__setattr__(self, "std", tuple(float(s) for s in self.std))

    @property
    def grid(self) -> Grid:
        """The patch grid of one view; pixels beyond the last whole patch are not seen."""
        side = self.size // self.patch
        return Grid(side, side)


@dataclass(frozen=True)
class ViewTokens:
    """Visual tokens that the projector gives for one view.

    Args:
        count: tokens of one view.
        grid: their arrangement, or None where they have none (a resampler, or a class token kept).
    """

    count: int
    grid: Grid | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"a view must give at least one visual token, not {self.count}")
        if self.grid is not None and self.grid.cells != self.count:
            raise ValueError(f"{self.count} visual tokens cannot fill a grid of {self.grid}")
