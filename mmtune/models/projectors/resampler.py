"""``resampler``: learned latents look at the image, layer by layer (Perceiver resampler)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmtune.images.geometry import Grid, ViewTokens
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.attention import Attention, feed_forward
from mmtune.models.projectors.base import Projector, Text


@dataclass
class ResamplerSettings:
    """Size of the resampler; the defaults are Flamingo's."""

    queries: int = 64
    """Learned latents, which is the number of visual tokens."""
    layers: int = 6
    """Pairs of attention and feed-forward."""
    heads: int = 8
    """Attention heads; they divide the vision tower's width."""


class _Layer(nn.Module):
    """Latents attend to features and to each other at once; norms come first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.feature_norm = nn.LayerNorm(width)
        self.latent_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = feed_forward(width)

    def forward(self, latents: Tensor, features: Tensor) -> Tensor:
        asking = self.latent_norm(latents)
        source = torch.cat([self.feature_norm(features), asking], dim=1)
        latents = latents + self.attention(asking, source)
        return latents + self.feed(self.feed_norm(latents))


class ResamplerProjector(Projector):
    """A fixed number of tokens from any number of features, in no grid.

    Source: the Perceiver Resampler of Flamingo, with its features of one image and so without its time
    embedding. It works in the vision tower's width; a linear layer leads into the language model's space.
    """

    Settings = ResamplerSettings
    settings: ResamplerSettings

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__(config, vision_width, language_width)
        size = self.settings
        self.latents = nn.Parameter(torch.randn(size.queries, vision_width) * vision_width**-0.5)
        self.layers = nn.ModuleList(_Layer(vision_width, size.heads) for _ in range(size.layers))
        self.norm = nn.LayerNorm(vision_width)
        self.out = nn.Linear(vision_width, language_width)

    def out_tokens(self, tokens: ViewTokens) -> ViewTokens:
        """One token a latent."""
        return ViewTokens(self.settings.queries)

    def forward(self, features: Tensor, grid: Grid | None, text: Text | None = None) -> Tensor:
        """(views, tokens, vision_width) to (views, settings.queries, language_width)."""
        features = features.to(self.dtype)
        latents = self.latents.expand(len(features), -1, -1)
        for layer in self.layers:
            latents = layer(latents, features)
        return self.out(self.norm(latents))
