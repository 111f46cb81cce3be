"""``mlp``: linear layers with exact GELU between them; depth 2 is LLaVA-1.5's ``mlp2x_gelu``."""

from __future__ import annotations

from torch import Tensor, nn

from mmtune.images.geometry import Grid
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.base import Projector


class MlpProjector(Projector):
    """``depth`` linear layers, all but the first of the language model's width, with GELU between them."""

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__(config, vision_width, language_width)
        first = nn.Linear(vision_width, language_width)
        self.layers = nn.Sequential(first)
        for _ in range(1, config.depth):
            self.layers.extend([nn.GELU(), nn.Linear(language_width, language_width)])

    def forward(self, features: Tensor, grid: Grid | None, text: Tensor | None = None) -> Tensor:
        """(views, tokens, vision_width) to (views, tokens, language_width)."""
        return self.layers(features.to(next(self.layers.parameters()).dtype))
