"""The image policy of a model, made to fit its tower and projector."""

from __future__ import annotations

from mmtune.errors import UserError
from mmtune.images.policies import ImagePolicy, get_policy
from mmtune.images.settings import ImagesConfig
from mmtune.models.newline import fit_newline
from mmtune.models.projectors import Projector
from mmtune.models.vision import VisionTower


def fit_policy(
    name: str, settings: ImagesConfig | None, vision: VisionTower, projector: Projector, *, seed: int = 0
) -> ImagePolicy:
    """The policy of this name; the projector gets the newline that it uses, or loses one that it does not
    use.

    Args:
        name: a key of ``mmtune.images.policies.POLICIES``.
        settings: of the policy.
        vision: gives the view and the features of one.
        projector: gives the visual tokens of one view; changed in place.
        seed: of a fresh newline.

    Raises:
        UserError: if there is no such policy, or it does not fit the tower or the projector.
    """
    policy = get_policy(
        name, vision.geometry, projector.out_tokens(vision.tokens), settings, projector.out_tokens
    )
    if policy.native and not vision.native:
        raise UserError(
            "this vision tower sees square views only, not patch grids of each image's own shape",
            "model.image_policy",
            "use a CLIP, SigLIP, SigLIP 2 or DINOv2 of transformers, or another policy",
        )
    if policy.native and vision.tokens.grid is None:
        raise UserError(
            "patch grids of each image's own shape have no class token",
            "model.vision.select",
            "use select: patch",
        )
    fit_newline(projector, policy.uses_newline, seed=seed)
    return policy
