"""HyperLLaVA's language expert: an adapter in the later blocks, its weights made of what was read so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.models.adapters.base import Adapter
from mmtune.models.adapters.mlps import mlp_of
from mmtune.models.adapters.recomputing import recomputing
from mmtune.models.adapters.targets import linear_layers, widths
from mmtune.models.settings import at_least


@dataclass(frozen=True)
class LanguageExpertSettings:
    """Settings of ``language_expert``."""

    width: int = 16
    """Channels of the expert's bottleneck."""
    guidance: int = 16
    """Channels to which the guidance is brought before weights are made of it."""
    first: int | None = None
    """First block with an expert, from 0; the block before it gives the guidance. By default half-way."""
    tune_base: bool = False
    """Whether the language model's own weights learn, too, as in the paper's second stage."""

    def __post_init__(self) -> None:
        at_least("width", self.width, 1)
        at_least("guidance", self.guidance, 1)
        if self.first is not None:
            at_least("first", self.first, 1)


class Guidance:
    """Where the guiding block leaves its output for the experts behind it; no module, it holds no weights."""

    def __init__(self) -> None:
        self.state: Tensor | None = None

    def keep(self, _block: nn.Module, _inputs: Any, output: Any) -> None:
        """A forward hook of the guiding block."""
        if not recomputing():
            self.state = output if isinstance(output, Tensor) else output[0]


class GuidedMLP(nn.Module):
    """An MLP with an expert beside it.

    The expert is ``U (I + M_u) SwiGLU((I + M_d) D x)``, with ``M_u`` and ``M_d`` made of the guidance by a
    small network (the hypernetwork), a matrix pair for each token. Generating only the square matrices
    between the learnt projections keeps what is made for a token at ``2 * width ** 2`` numbers.

    Args:
        base_layer: the MLP.
        guidance: filled by the guiding block.
        channels: of a token.
        settings: sizes.
    """

    def __init__(
        self, base_layer: nn.Module, guidance: Guidance, channels: int, settings: LanguageExpertSettings
    ) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.source = guidance
        self.width = settings.width
        self.down = nn.Linear(channels, 2 * settings.width, bias=False)
        self.up = nn.Linear(settings.width, channels, bias=False)
        self.guide = nn.Linear(channels, settings.guidance)
        self.generate = nn.Linear(settings.guidance, 2 * settings.width**2)
        if not self.up.weight.is_meta:
            nn.init.zeros_(self.up.weight)
            nn.init.normal_(self.generate.weight, std=0.02)
            nn.init.zeros_(self.generate.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """The MLP of (…, channels) and the expert's addition."""
        state = self.source.state
        if state is None or state.shape[:-1] != hidden.shape[:-1]:
            raise RuntimeError("the guiding block has not run on these tokens")
        # Without autocast, as in decoding, the model may be in bfloat16 and the expert is in float32.
        dtype = self.down.weight.dtype
        made = self.generate(F.silu(self.guide(state.to(dtype))))
        inner, outer = made.unflatten(-1, (2, self.width, self.width)).unbind(-3)
        gate, value = self.down(hidden.to(dtype)).chunk(2, dim=-1)
        gate, value = _shifted(gate, inner), _shifted(value, inner)
        out: Tensor = self.base_layer(hidden)
        change: Tensor = self.up(_shifted(F.silu(gate) * value, outer))
        return out + change.to(out.dtype)


def _shifted(tokens: Tensor, matrices: Tensor) -> Tensor:
    """``(I + M) x`` for each token: (…, width) and (…, width, width)."""
    return tokens + (matrices.to(tokens.dtype) @ tokens.unsqueeze(-1)).squeeze(-1)


class LanguageExpert(Adapter):
    """Experts in the blocks of the second half, guided by what the first half made of the text so far.

    The paper takes the last token's state as guidance of the whole text. Training on all answers of a
    conversation at once, that state would tell each answer what comes after it. Here every position is guided
    by its own state, which is the last token's of the text that ends there: what the paper's decoding sees,
    the same in training, packed rows and with a cache.

    Source: Zhang et al. 2024 (HyperLLaVA), section 3.4.
    """

    Settings: ClassVar[type] = LanguageExpertSettings
    kind: ClassVar[str] = "language_expert"
    settings: LanguageExpertSettings

    @property
    def tunes_base(self) -> bool:
        """As the setting of this name says."""
        return self.settings.tune_base

    def attach(self, module: nn.Module, blocks: Sequence[nn.Module]) -> None:
        """Put experts into the later blocks; their addition starts at zero."""
        where = f"stage.adapters.{self.part}"
        first = len(blocks) // 2 if self.settings.first is None else self.settings.first
        if not 1 <= first < len(blocks):
            raise UserError(
                f"the language model has {len(blocks)} blocks, so that no expert can start at block {first}",
                f"{where}.first",
                f"use 1 to {len(blocks) - 1}" if len(blocks) > 1 else "choose a deeper language model",
            )
        guidance = Guidance()
        blocks[first - 1].register_forward_hook(guidance.keep)
        for block in blocks[first:]:
            name, mlp = mlp_of(block, where)
            layers = linear_layers(mlp, [mlp], None, where)
            channels = widths(next(iter(layers.values())))[0]
            with torch.device(next(mlp.parameters()).device):
                setattr(block, name, GuidedMLP(mlp, guidance, channels, self.settings))
