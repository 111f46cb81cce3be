"""``dynamic_mlp``: an MLP with adapters whose weights each image makes for itself (HyperLLaVA)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from mmtune.images.geometry import Grid
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.base import Projector, Text


@dataclass
class DynamicMlpSettings:
    """Size of the visual expert."""

    bottleneck: int = 16
    """Channels inside an adapter."""
    guidance: int = 64
    """Channels that an image's guidance is brought down to before weights are made of it."""


class VisualExpert(nn.Module):
    """An adapter, down and up again, whose two matrices a small network makes from the image's guidance.

    Args:
        width_in: channels that come in.
        width_out: channels that go out.
        guide_width: channels of the guidance.
        size: of bottleneck and guidance.
    """

    def __init__(self, width_in: int, width_out: int, guide_width: int, size: DynamicMlpSettings) -> None:
        super().__init__()
        self.width_in, self.width_out, self.bottleneck = width_in, width_out, size.bottleneck
        self.brief = nn.Linear(guide_width, size.guidance)
        self.make_down = nn.Linear(size.guidance, size.bottleneck * width_in)
        self.make_up = nn.Linear(size.guidance, size.bottleneck * width_out)
        # Nothing is added at first, so that training starts from the static MLP.
        nn.init.zeros_(self.make_up.weight)
        nn.init.zeros_(self.make_up.bias)

    def forward(self, features: Tensor, guide: Tensor) -> Tensor:
        """What the expert adds.

        Args:
            features: (views, tokens, width_in).
            guide: (views, guide_width).

        Returns:
            (views, tokens, width_out).
        """
        brief = F.silu(self.brief(guide))
        down = self.make_down(brief).view(-1, self.width_in, self.bottleneck)
        up = self.make_up(brief).view(-1, self.bottleneck, self.width_out)
        return F.silu(features @ down) @ up


class DynamicMlpProjector(Projector):
    """LLaVA-1.5's two-layer MLP with a visual expert beside each layer, guided by the image's mean feature.

    Source: HyperLLaVA's visual expert. The paper's code is not public: the size of the guidance, the SiLU
    inside it and the start at zero are our own.
    """

    Settings = DynamicMlpSettings
    settings: DynamicMlpSettings

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__(config, vision_width, language_width)
        self.first = nn.Linear(vision_width, language_width)
        self.first_expert = VisualExpert(vision_width, language_width, vision_width, self.settings)
        self.second = nn.Linear(language_width, language_width)
        self.second_expert = VisualExpert(language_width, language_width, vision_width, self.settings)

    def forward(self, features: Tensor, grid: Grid | None, text: Text | None = None) -> Tensor:
        """(views, tokens, vision_width) to (views, tokens, language_width)."""
        features = features.to(self.dtype)
        guide = features.mean(dim=1)
        inside = F.gelu(self.first(features) + self.first_expert(features, guide))
        return self.second(inside) + self.second_expert(inside, guide)
