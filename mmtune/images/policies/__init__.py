"""Image policies: from an image to the views that the tower sees, one file each."""

from __future__ import annotations

import difflib

from mmtune.errors import UserError
from mmtune.images.geometry import ViewGeometry, ViewTokens
from mmtune.images.policies.base import ImagePolicy
from mmtune.images.policies.pad import PadPolicy
from mmtune.images.policies.square import SquarePolicy

POLICIES: dict[str, type[ImagePolicy]] = {
    SquarePolicy.name: SquarePolicy,
    PadPolicy.name: PadPolicy,
}


def get_policy(name: str, geometry: ViewGeometry, tokens: ViewTokens) -> ImagePolicy:
    """The image policy of this name for a tower and its projector.

    Args:
        name: a key of ``POLICIES``.
        geometry: the view that the tower takes.
        tokens: visual tokens that the projector gives for one view.

    Raises:
        UserError: if there is no such policy; names the nearest one.
    """
    if name not in POLICIES:
        nearest = difflib.get_close_matches(name, POLICIES, n=1, cutoff=0)[0]
        raise UserError(
            f"unknown image policy {name!r}",
            "model.image_policy",
            f"did you mean {nearest!r}? There are {', '.join(sorted(POLICIES))}",
        )
    return POLICIES[name](geometry, tokens)


__all__ = ["POLICIES", "ImagePolicy", "get_policy"]
