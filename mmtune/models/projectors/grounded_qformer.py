"""``grounded_qformer``: a Q-Former that reads the instruction as the language model understands it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.instruct_qformer import InstructQFormerProjector
from mmtune.models.projectors.qformer import QFormerSettings


@dataclass
class GroundedQFormerSettings(QFormerSettings):
    """Size of the Q-Former, and where the language model is tapped."""

    depth: float = 0.5
    """Share of the language model's blocks that the instruction goes through before it is read."""

    def __post_init__(self) -> None:
        if not 0 < self.depth <= 1:
            raise UserError(
                f"a depth of {self.depth} is not inside the language model",
                "model.projector.settings.depth",
                "use a number above 0 and at most 1",
            )


class GroundedQFormerProjector(InstructQFormerProjector):
    """Queries beside hidden states of the language model, instead of beside word embeddings.

    Source: "Language Grounded QFormer for Efficient Vision Language Understanding", where the queries stand
    beside the prompt as the language model's own encoder has encoded it. A decoder-only model has no encoder:
    its hidden state part of the way up stands in. The paper also feeds the queries' output to the decoder
    behind that encoder; here it goes in where all visual tokens go in, at the embeddings.
    """

    Settings = GroundedQFormerSettings
    settings: GroundedQFormerSettings

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__(config, vision_width, language_width)
        self.state_norm = nn.LayerNorm(language_width)

    @property
    def text_depth(self) -> float | None:
        """Part of the way up the language model."""
        return self.settings.depth

    def _words(self, states: Tensor) -> Tensor:
        # Hidden states grow from block to block, and a few of their channels by orders of magnitude.
        return super()._words(self.state_norm(states))
