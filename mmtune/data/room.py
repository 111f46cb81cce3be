"""Whether the records that a recipe allows have room for the images that its policy makes of them."""

from __future__ import annotations

from mmtune.errors import UserError
from mmtune.images.policies import ImagePolicy


def check_room(policy: ImagePolicy, max_tokens: int) -> None:
    """Refuse an image policy under which a single image may be longer than a record.

    Args:
        policy: the image policy.
        max_tokens: tokens of the longest record accepted, visual tokens included.

    Raises:
        UserError: if the largest image leaves no room for any text.
    """
    if policy.largest >= max_tokens:
        raise UserError(
            f"the image policy {policy.name} gives an image up to {policy.largest} visual tokens,"
            f" and a record may have {max_tokens} tokens in all",
            "data.max_tokens",
            "raise it, choose a policy with fewer tokens, or a projector that keeps fewer",
        )
