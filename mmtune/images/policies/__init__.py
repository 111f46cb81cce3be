"""Image policies: from an image to the views that the tower sees, one file each."""

from __future__ import annotations

from mmtune.errors import unknown
from mmtune.images.geometry import ViewGeometry, ViewTokens
from mmtune.images.policies.anyres import AnyresPolicy
from mmtune.images.policies.anyres_max_9 import AnyresMax9Policy
from mmtune.images.policies.base import ImagePolicy, Project
from mmtune.images.policies.native import NativePolicy
from mmtune.images.policies.pad import PadPolicy
from mmtune.images.policies.square import SquarePolicy
from mmtune.images.settings import ImagesConfig

POLICIES: dict[str, type[ImagePolicy]] = {
    SquarePolicy.name: SquarePolicy,
    PadPolicy.name: PadPolicy,
    AnyresPolicy.name: AnyresPolicy,
    AnyresMax9Policy.name: AnyresMax9Policy,
    NativePolicy.name: NativePolicy,
}


def get_policy(
    name: str,
    geometry: ViewGeometry,
    tokens: ViewTokens,
    settings: ImagesConfig | None = None,
    project: Project | None = None,
) -> ImagePolicy:
    """The image policy of this name for a tower and its projector.

    Args:
        name: a key of ``POLICIES``.
        geometry: the view that the tower takes.
        tokens: visual tokens that the projector gives for one view.
        settings: of policies that have some.
        project: the projector's own count, for policies whose views differ in size.

    Raises:
        UserError: if there is no such policy, with the nearest one; or if it does not fit the tower.
    """
    if name not in POLICIES:
        raise unknown("image policy", name, POLICIES, "model.image_policy")
    return POLICIES[name](geometry, tokens, settings, project)


__all__ = ["POLICIES", "ImagePolicy", "get_policy"]
