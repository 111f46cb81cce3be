"""The MLP of a transformer block."""

from __future__ import annotations

from torch import nn

from mmtune.errors import UserError

NAMES = ("mlp", "feed_forward", "ffn")
"""What transformers' language models call it."""


def mlp_of(block: nn.Module, where: str) -> tuple[str, nn.Module]:
    """Name and module of a block's MLP.

    Raises:
        UserError: if the block has none, or one that is a mixture of experts already.
    """
    for name in NAMES:
        mlp = getattr(block, name, None)
        if isinstance(mlp, nn.Module):
            if any(step in ("experts", "router", "gate") for step, _ in mlp.named_children()):
                raise UserError(
                    f"the MLP of {type(block).__name__} is a mixture of experts already",
                    where,
                    "choose lora, or another language model",
                )
            return name, mlp
    raise UserError(
        f"{type(block).__name__} has no MLP of its own name",
        where,
        f"it has {', '.join(name for name, _ in block.named_children())}; choose lora",
    )
