"""``keep_and_merge``: any projector with fewer tokens: the important ones kept, the others merged (VMTC)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmtune.errors import UserError
from mmtune.images.geometry import Grid, ViewTokens
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors import new_projector
from mmtune.models.projectors.base import Projector, Text

_ROUNDS = 5
"""Of k-means; a fixed number, so that the work does not depend on the image."""


@dataclass
class KeepAndMergeSettings:
    """Which projector, and how many of its tokens are left."""

    of: dict[str, Any] = field(default_factory=lambda: {"name": "mlp"})
    """The projector inside, as ``model.projector`` describes one."""
    keep: int = 64
    """Most tokens that stay as they are."""
    merge: int = 32
    """Most tokens that the others are merged into."""


class KeepAndMergeProjector(Projector):
    """A projector inside, and a choice of its tokens.

    The choice has no weights and no gradient: it is a matrix of averages over the tokens, so a gradient
    reaches every token by its share. It is made from the tower's features where the projector inside gives
    one token a patch, and from its tokens elsewhere.

    Source: VMTC of "Enhancing Instruction-Following Capability of Visual-Language Models by Reducing Image
    Redundancy": primary tokens kept by the vision tower's attention, the redundant ones clustered by k-means
    and merged. Towers here do not give their attention away, and SigLIP has no class token to take it from:
    the attention of the image's mean feature stands in.
    """

    Settings = KeepAndMergeSettings
    settings: KeepAndMergeSettings

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__(config, vision_width, language_width)
        self.inside = new_projector(_config_inside(self.settings.of), vision_width, language_width)

    @property
    def text_depth(self) -> float | None:
        """As the projector inside."""
        return self.inside.text_depth

    def out_tokens(self, tokens: ViewTokens) -> ViewTokens:
        """Kept and merged tokens, in no grid."""
        given = self.inside.out_tokens(tokens)
        left = self.settings.keep + self.settings.merge
        return given if given.count <= left else ViewTokens(left)

    def forward(self, features: Tensor, grid: Grid | None, text: Text | None = None) -> Tensor:
        """(views, tokens, vision_width) to (views, at most keep + merge, language_width)."""
        tokens = self.inside(features, grid, text)
        if tokens.shape[1] <= self.settings.keep + self.settings.merge:
            return tokens
        basis = features if features.shape[1] == tokens.shape[1] else tokens
        with torch.no_grad():
            shares = keep_and_merge(basis.float(), self.settings.keep, self.settings.merge)
        return shares.to(tokens.dtype) @ tokens


def _config_inside(of: dict[str, Any]) -> ProjectorConfig:
    try:
        return ProjectorConfig(**of)
    except TypeError as error:
        raise UserError(
            f"this describes no projector: {of}", "model.projector.settings.of", "give its name and settings"
        ) from error


def keep_and_merge(features: Tensor, keep: int, merge: int) -> Tensor:
    """Shares of each feature in each token that is left.

    Args:
        features: (views, tokens, width) float32.
        keep: tokens that stay, those which the mean feature attends to most, in their old order.
        merge: clusters of the others, in the order of their first members.

    Returns:
        (views, keep + merge, tokens); every row sums to 1, every column has one entry above 0.
    """
    views, count, width = features.shape
    score = (features.mean(dim=1, keepdim=True) @ features.transpose(1, 2)).squeeze(1) / width**0.5
    # stable, so that equal features (a blank image) are chosen alike everywhere
    order = score.argsort(dim=1, descending=True, stable=True)
    kept, others = order[:, :keep].sort(dim=1).values, order[:, keep:].sort(dim=1).values
    direction = F.normalize(features, dim=2)
    redundant = direction.gather(1, others.unsqueeze(2).expand(-1, -1, width))
    members = F.one_hot(clusters(redundant, merge), merge).to(features.dtype).transpose(1, 2)
    members = members / members.sum(dim=2, keepdim=True)
    shares = features.new_zeros(views, keep + merge, count)
    shares[:, :keep] = F.one_hot(kept, count).to(features.dtype)
    shares[:, keep:] = members @ F.one_hot(others, count).to(features.dtype)
    return shares


def clusters(directions: Tensor, count: int) -> Tensor:
    """k-means by cosine, without chance, in which no cluster is empty.

    Args:
        directions: (views, tokens, width), each of length 1; at least ``count`` tokens.
        count: clusters.

    Returns:
        (views, tokens) cluster of each token; clusters are numbered by their first members.
    """
    seeds = _far_apart(directions, count)
    numbers = torch.arange(count, device=directions.device).expand(len(directions), -1)
    centres = directions.gather(1, seeds.unsqueeze(2).expand(-1, -1, directions.shape[2]))
    for _ in range(_ROUNDS):
        # a seed stays where it is, so that no cluster is empty though all tokens be alike
        belongs = (directions @ centres.transpose(1, 2)).argmax(dim=2).scatter(1, seeds, numbers)
        members = F.one_hot(belongs, count)
        centres = F.normalize(members.to(directions.dtype).transpose(1, 2) @ directions, dim=2)
    first = members.argmax(dim=1)  # (views, count) place of each cluster's first member
    return first.argsort(dim=1).argsort(dim=1).gather(1, belongs)


def _far_apart(directions: Tensor, count: int) -> Tensor:
    """(views, count) tokens: the first, then always the one farthest from all that are chosen."""
    nearness = torch.full_like(directions[:, :, 0], -2.0)
    seeds = [directions.new_zeros(len(directions), dtype=torch.int64)]
    for _ in range(1, count):
        last = directions.gather(1, seeds[-1][:, None, None].expand(-1, -1, directions.shape[2]))
        nearness = torch.maximum(nearness, (directions @ last.transpose(1, 2)).squeeze(2))
        nearness = nearness.scatter(1, seeds[-1].unsqueeze(1), 2.0)  # above any cosine: never chosen again
        seeds.append(nearness.argmin(dim=1))
    return torch.stack(seeds, dim=1)
