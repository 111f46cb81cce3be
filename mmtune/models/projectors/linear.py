"""``linear``: one matrix, as in the first LLaVA."""

from __future__ import annotations

from torch import Tensor, nn

from mmtune.images.geometry import Grid
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.base import Projector, Text


class LinearProjector(Projector):
    """A single affine map applied to every visual feature."""

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__(config, vision_width, language_width)
        self.linear = nn.Linear(vision_width, language_width)

    def forward(self, features: Tensor, grid: Grid | None, text: Text | None = None) -> Tensor:
        """(views, tokens, vision_width) to (views, tokens, language_width)."""
        return self.linear(features.to(self.dtype))
