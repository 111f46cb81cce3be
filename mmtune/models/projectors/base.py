"""The projector: visual features in, visual tokens in the language model's space out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.images.geometry import Grid, ViewTokens
from mmtune.models.config import ProjectorConfig
from mmtune.models.settings import read_settings

KEY = "model.projector.settings"
"""Where a projector's own settings stand in a recipe."""


@dataclass(frozen=True)
class NoSettings:
    """For a projector that has none."""


@dataclass(frozen=True)
class Text:
    """Instructions as a projector reads them, one row for each view."""

    states: Tensor
    """(views, longest, language width); at least one position, also where there is no text."""
    real: Tensor
    """(views, longest) bool, False at padding; a row may be all padding."""

    @staticmethod
    def none(views: int, width: int, like: Tensor) -> Text:
        """No instruction: one position of padding, so that every weight still gets a gradient (of zero)."""
        real = torch.zeros(views, 1, dtype=torch.bool, device=like.device)
        return Text(like.new_zeros(views, 1, width), real)

    def of_views(self, image_views: Sequence[int]) -> Text:
        """The text of each image, repeated for each of the image's views."""
        times = torch.tensor(list(image_views), device=self.real.device)
        return Text(self.states.repeat_interleave(times, dim=0), self.real.repeat_interleave(times, dim=0))


class Projector(nn.Module, ABC):
    """One way from visual features to visual tokens; a new one is one new file and one line in the registry.

    Args:
        config: its settings.
        vision_width: channels of a visual feature.
        language_width: channels of the language model's embeddings.

    Raises:
        UserError: for a setting that it does not have or that cannot be.
    """

    Settings: ClassVar[type] = NoSettings
    """A dataclass of its own settings, ``model.projector.settings`` of a recipe."""
    settings: Any
    ends_in_mlp: ClassVar[bool] = False
    """Whether ``config.linear_layers`` counts layers of it; where it does not, a depth is refused."""

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__()
        self.config = config
        self.vision_width = vision_width
        self.language_width = language_width
        self.settings = self.own_settings(config)

    @classmethod
    def own_settings(cls, config: ProjectorConfig) -> Any:
        """Its own settings with their defaults.

        Raises:
            UserError: for a setting that it does not have or that cannot be.
        """
        if config.depth is not None and not cls.ends_in_mlp:
            raise UserError(
                f"the projector {config.name} has no MLP whose layers a depth could count",
                "model.projector.depth",
                "leave it out, or give null where another recipe sets it",
            )
        return read_settings(cls.Settings, config.settings, KEY, least=1)

    @property
    def text_depth(self) -> float | None:
        """Where in the language model the instruction is read: 0 its embeddings, 0.5 the state half-way up.

        None where no instruction is read; then an image's tokens are the same whatever is asked.
        """
        return None

    @property
    def reads_text(self) -> bool:
        """Whether the visual tokens depend on the instruction."""
        return self.text_depth is not None

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights, and so of what goes in."""
        return next(self.parameters()).dtype

    def out_tokens(self, tokens: ViewTokens) -> ViewTokens:
        """Visual tokens of one view, given the tower's features of it.

        Raises:
            UserError: if it cannot work on such features, as where it needs a grid and there is none.
        """
        return tokens

    @abstractmethod
    def forward(self, features: Tensor, grid: Grid | None, text: Text | None = None) -> Tensor:
        """Project the features of views.

        Args:
            features: (views, tokens, vision_width).
            grid: arrangement of the tokens, or None where they have none.
            text: the instruction of each view, for a projector that reads it; None is no instruction.

        Returns:
            (views, ``out_tokens(...).count``, language_width).
        """


def need_grid(grid: Grid | None, name: str) -> Grid:
    """The grid, or the error for features that have none.

    Raises:
        UserError: if there is no grid.
    """
    if grid is None:
        raise UserError(
            f"the projector {name} needs a grid of patches, and these features have none",
            "model.projector.name",
            "use model.vision.select: patch, or another projector",
        )
    return grid
