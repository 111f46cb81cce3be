"""``mlp``: linear layers with exact GELU between them; depth 2 is LLaVA-1.5's ``mlp2x_gelu``."""

from __future__ import annotations

from torch import Tensor, nn

from mmtune.images.geometry import Grid
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.base import Projector, Text


def mlp(width: int, language_width: int, depth: int) -> nn.Sequential:
    """``depth`` linear layers, all but the first of the language model's width, with GELU between them."""
    layers: list[nn.Module] = [nn.Linear(width, language_width)]
    for _ in range(1, depth):
        layers += [nn.GELU(), nn.Linear(language_width, language_width)]
    return nn.Sequential(*layers)


class MlpProjector(Projector):
    """An MLP applied to every visual feature; ``config.linear_layers`` counts its layers."""

    ends_in_mlp = True

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__(config, vision_width, language_width)
        self.layers = mlp(vision_width, language_width, config.linear_layers)

    def forward(self, features: Tensor, grid: Grid | None, text: Text | None = None) -> Tensor:
        """(views, tokens, vision_width) to (views, tokens, language_width)."""
        return self.layers(features.to(self.dtype))
