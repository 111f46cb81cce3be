"""Settings of the image policies and of videos; each policy reads its own and leaves the others alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmtune.errors import UserError

Merge = Literal["unpad", "flat"]


@dataclass
class ImagesConfig:
    """How a policy cuts an image into views, and how many frames of a video are seen."""

    pinpoints: str | list[list[int]] | None = None
    """Canvases that ``anyres`` chooses from: a list of [width, height] in pixels, multiples of the view's
    side, or the first and the last of a range of tile grids (columns x rows), as ``(1x1),...,(6x6)``. Of two
    that suit an image equally the first is taken. By default the policy's own, scaled to the tower."""
    max_views: int | None = None
    """Tiles' worth of tokens above which ``anyres`` scales the tokens of the tiles down; by default the
    policy's own (9 in ``anyres_max_9``)."""
    merge: Merge = "unpad"
    """What ``anyres`` does with the tiles' tokens: ``unpad`` lays them out as one picture, cuts the border
    off and ends each row with the newline; ``flat`` lays tile behind tile."""
    max_patches: int | None = None
    """Most patches that ``native`` gives an image; by default as many as one view of the tower has."""
    fill: bool = False
    """Let ``native`` enlarge a small image up to ``max_patches``, as SigLIP 2's own processor does."""
    grid_multiple: int = 1
    """``native`` makes rows and columns of the patch grid multiples of this, for projectors that join
    patches."""
    video_frames: int = 8
    """Most frames of a video that are seen, evenly spaced."""
    video_tokens: int | None = None
    """Most visual tokens of a video; fewer frames are taken where they would give more."""

    def __post_init__(self) -> None:
        for name in ("max_views", "max_patches", "grid_multiple", "video_frames", "video_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} must be at least 1, not {value}", f"model.images.{name}")
        if self.merge not in ("unpad", "flat"):
            raise UserError(f"unknown merge {self.merge!r}", "model.images.merge", "use unpad or flat")
