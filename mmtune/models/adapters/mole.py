"""LLaVA-MoLE: a sparse mixture of LoRA experts in each MLP, and a plain LoRA on the attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import nn

from mmtune.errors import UserError
from mmtune.models.adapters.base import Adapter, Auxiliary
from mmtune.models.adapters.lora import LoraSettings, inject
from mmtune.models.adapters.mlps import mlp_of
from mmtune.models.adapters.routing import RoutedMLP, load_balance
from mmtune.models.adapters.targets import linear_layers, widths
from mmtune.models.settings import at_least, share


@dataclass(frozen=True)
class MoleSettings:
    """Settings of ``mole``; experts and rank as in the paper's main table."""

    experts: int = 3
    """LoRA experts of each MLP; a token uses one of them."""
    rank: int = 32
    """Rank of each expert, and of the attention's LoRA."""
    alpha: float = 64
    """Changes are scaled by alpha / rank."""
    dropout: float = 0.05
    """Probability of dropping an input of a change while it learns."""
    balance: float = 0.01
    """Factor of the loss that keeps the experts evenly used."""
    attention: bool = True
    """Whether the other linear layers of a block get a plain LoRA."""

    def __post_init__(self) -> None:
        at_least("experts", self.experts, 1)
        at_least("rank", self.rank, 1)
        share("dropout", self.dropout)
        at_least("balance", self.balance, 0)
        if self.alpha <= 0:
            raise ValueError(f"alpha must be above 0, got {self.alpha}")


class Mole(Adapter):
    """A router for each MLP picks one LoRA for each token; the LoRA changes all linear layers of the MLP.

    The cost is about that of one LoRA: a token passes one expert only.

    Source: Chen et al. 2024 (LLaVA-MoLE), sections 3.2 and 3.3.
    """

    Settings: ClassVar[type] = MoleSettings
    kind: ClassVar[str] = "mole"
    settings: MoleSettings

    def attach(self, module: nn.Module, blocks: Sequence[nn.Module]) -> None:
        """Put routers and experts into every block's MLP; their change starts at zero."""
        settings, where = self.settings, f"stage.adapters.{self.part}"
        plain = LoraSettings(rank=settings.rank, alpha=settings.alpha, dropout=settings.dropout)
        for block in blocks:
            name, mlp = mlp_of(block, where)
            inside = linear_layers(mlp, [mlp], None, where)
            others = linear_layers(block, [block], None, where)
            width = widths(next(iter(inside.values())))[0]
            outside = [layer for layer in others.values() if all(layer is not own for own in inside.values())]
            if settings.attention and outside:
                inject([block], outside, plain)
            with torch.device(next(mlp.parameters()).device):
                routed = RoutedMLP(
                    mlp,
                    list(inside),
                    experts=settings.experts,
                    rank=settings.rank,
                    scale=settings.alpha / settings.rank,
                    dropout=settings.dropout,
                    width=width,
                )
            setattr(block, name, routed)

    def auxiliary(self, module: nn.Module) -> Auxiliary | None:
        """The load-balance loss of all MLPs."""
        if self.settings.balance == 0 or self.settings.experts == 1:
            return None
        layers = [inner for inner in module.modules() if isinstance(inner, RoutedMLP)]
        if not layers:
            raise UserError("the part has no routed MLP", self.part)
        return partial(load_balance, layers, coefficient=self.settings.balance)
