"""Image policies: from an image to the views that the tower sees, one file each."""

from __future__ import annotations

from mmtune.images.geometry import ViewGeometry, ViewTokens
from mmtune.images.policies.base import ImagePolicy, Project
from mmtune.images.settings import ImagesConfig
from mmtune.registry import Registry

POLICIES: Registry[type[ImagePolicy]] = Registry(
    "image policy",
    __name__,
    {
        "square": "square:SquarePolicy",
        "pad": "pad:PadPolicy",
        "anyres": "anyres:AnyresPolicy",
        "anyres_max_9": "anyres_max_9:AnyresMax9Policy",
        "native": "native:NativePolicy",
    },
)


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
    return POLICIES.find(name, "model.image_policy")(geometry, tokens, settings, project)


__all__ = ["POLICIES", "ImagePolicy", "get_policy"]
