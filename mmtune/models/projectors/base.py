"""The projector: visual features in, visual tokens in the language model's space out."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from mmtune.images.geometry import Grid, ViewTokens
from mmtune.models.config import ProjectorConfig


class Projector(nn.Module, ABC):
    """One way from visual features to visual tokens; a new one is one new file and one line in the registry.

    Args:
        config: its settings.
        vision_width: channels of a visual feature.
        language_width: channels of the language model's embeddings.
    """

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__()
        self.config = config
        self.vision_width = vision_width
        self.language_width = language_width

    def out_tokens(self, tokens: ViewTokens) -> ViewTokens:
        """Visual tokens of one view, given the tower's features of it."""
        return tokens

    @abstractmethod
    def forward(self, features: Tensor, grid: Grid | None, text: Tensor | None = None) -> Tensor:
        """Project the features of views.

        Args:
            features: (views, tokens, vision_width).
            grid: arrangement of the tokens, or None where they have none.
            text: (views, text tokens, language_width) embeddings of the question, where it is read.

        Returns:
            (views, ``out_tokens(...).count``, language_width).
        """
