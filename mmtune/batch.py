"""The one value that goes into a model: several records packed into a flat row of tokens."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

IMAGE_TOKEN_ID = -200
"""Stands at each visual token's position in ``input_ids``; never a row of the embedding table."""

IGNORE = -100
"""Target of a position that is not supervised."""


@dataclass(frozen=True)
class PackedBatch:
    """One packed row: documents laid end to end, with no padding between them.

    Positions restart at 0 in each document and attention must not cross documents; the model reads the
    boundaries from ``document_lengths``. A larger micro-batch is a longer row.
    """

    input_ids: Tensor
    """(tokens,) int64; ``IMAGE_TOKEN_ID`` where a visual token stands."""
    position_ids: Tensor
    """(tokens,) int64; restarts at 0 in each document."""
    targets: Tensor
    """(tokens,) int64; the id to predict *from* this position (already shifted), or ``IGNORE``."""
    document_lengths: tuple[int, ...]
    """Tokens of each document; they sum to ``tokens``."""
    pixels: Tensor
    """(views, 3, side, side) float32; the views of all images, in the order of their placeholders."""
    image_views: tuple[int, ...] = ()
    """Views that each image has in ``pixels``; they sum to ``views``."""
    image_sizes: tuple[tuple[int, int], ...] = ()
    """(width, height) of each image in original pixels."""
    image_token_counts: tuple[int, ...] = ()
    """Visual tokens of each image; they sum to the ``IMAGE_TOKEN_ID`` positions."""
    record_ids: tuple[str, ...] = ()
    """Id of the record behind each document, for messages."""
    instruction_ids: Tensor | None = None
    """(instruction tokens,) int64, those of all images end to end; None where the projector reads none."""
    instruction_lengths: tuple[int, ...] = ()
    """Tokens of each image's instruction, 0 where it has none."""

    def __post_init__(self) -> None:
        tokens = self.input_ids.numel()
        if self.position_ids.numel() != tokens or self.targets.numel() != tokens:
            raise ValueError("input_ids, position_ids and targets must have one length")
        if sum(self.document_lengths) != tokens:
            raise ValueError(
                f"document lengths sum to {sum(self.document_lengths)}, the row has {tokens} tokens"
            )
        if sum(self.image_views) != self.pixels.shape[0]:
            raise ValueError(f"images have {sum(self.image_views)} views, pixels hold {self.pixels.shape[0]}")
        placeholders = int((self.input_ids == IMAGE_TOKEN_ID).sum())
        if sum(self.image_token_counts) != placeholders:
            raise ValueError(
                f"images give {sum(self.image_token_counts)} visual tokens, the row has {placeholders} places"
            )
        if self.instruction_ids is not None:
            given = len(self.instruction_lengths), sum(self.instruction_lengths)
            if given != (len(self.image_views), self.instruction_ids.numel()):
                raise ValueError(
                    f"{given[0]} instructions of {given[1]} tokens for {len(self.image_views)} images and"
                    f" {self.instruction_ids.numel()} ids"
                )

    @property
    def supervised(self) -> int:
        """Number of supervised tokens in the row."""
        return int((self.targets != IGNORE).sum())

    def to(self, device: torch.device | str) -> PackedBatch:
        """Copy of the row with its tensors on ``device``."""
        moved: dict[str, Any] = {
            f.name: getattr(self, f.name).to(device, non_blocking=True)
            for f in fields(self)
            if isinstance(getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)

    @staticmethod
    def empty(token_id: int, side: int) -> PackedBatch:
        """A row of one unsupervised token and no image: keeps a rank without work in step with the others.

        Args:
            token_id: any id of the vocabulary.
            side: pixels of a view's side, so that ``pixels`` has the usual shape with no views.
        """
        return PackedBatch(
            input_ids=torch.tensor([token_id]),
            position_ids=torch.zeros(1, dtype=torch.int64),
            targets=torch.full((1,), IGNORE),
            document_lengths=(1,),
            pixels=torch.zeros(0, 3, side, side),
        )
