"""``instruct_qformer``: a Q-Former that reads the instruction and looks for what is asked (InstructBLIP)."""

from __future__ import annotations

from torch import Tensor, nn

from mmtune.images.geometry import Grid
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.base import Text
from mmtune.models.projectors.grids import line_positions
from mmtune.models.projectors.qformer import QFormerProjector, start_as_bert


class InstructQFormerProjector(QFormerProjector):
    """Queries and the instruction's words share the self-attention; only the queries look at the image.

    Source: InstructBLIP. Its Q-Former has BERT's tokenizer and word embeddings; this one reads the language
    model's embeddings through a linear layer, so that the instruction is tokenised once and any language
    model's vocabulary will do.
    """

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__(config, vision_width, language_width)
        self.read = nn.Linear(language_width, self.settings.width)
        self.read_norm = nn.LayerNorm(self.settings.width)
        self.read.apply(start_as_bert)

    @property
    def text_depth(self) -> float | None:
        """The language model's embeddings."""
        return 0.0

    def forward(self, features: Tensor, grid: Grid | None, text: Text | None = None) -> Tensor:
        """(views, tokens, vision_width) to (views, settings.queries, language_width)."""
        features = features.to(self.dtype)
        if text is None:
            text = Text.none(len(features), self.language_width, like=features)
        return self.ask(features, self._words(text.states.to(self.dtype)), text.real)

    def _words(self, states: Tensor) -> Tensor:
        """(views, text tokens, language_width) to (views, text tokens, settings.width) with positions."""
        words = self.read_norm(self.read(states))
        return words + line_positions(words.shape[1], words.shape[2], words.device).to(words.dtype)
