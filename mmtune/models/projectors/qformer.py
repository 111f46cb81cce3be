"""``qformer``: learned queries that talk among themselves and look at the image (BLIP-2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmtune.images.geometry import Grid, ViewTokens
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors.attention import Attention, feed_forward
from mmtune.models.projectors.base import Projector, Text

_SPREAD = 0.02
"""Standard deviation of BERT's initial weights."""


@dataclass
class QFormerSettings:
    """Size of the Q-Former; the defaults are BLIP-2's, a BERT-base."""

    queries: int = 32
    """Learned queries, which is the number of visual tokens."""
    layers: int = 12
    """Layers of self-attention and feed-forward."""
    width: int = 768
    """Channels of a query inside."""
    heads: int = 12
    """Attention heads; they divide ``width``."""
    cross_every: int = 2
    """Every how many layers the queries look at the image, from the first layer on."""


class QFormerLayer(nn.Module):
    """Self-attention, a look at the image in some layers, feed-forward; norms come last, as in BERT.

    Args:
        width: channels of a query.
        heads: attention heads.
        image_width: channels of a visual feature; None in a layer that does not look at the image.
        text_goes_on: whether a later layer reads the text; only then does the text get a feed-forward here.
    """

    def __init__(self, width: int, heads: int, image_width: int | None, text_goes_on: bool = False) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.attention_norm = nn.LayerNorm(width)
        self.look = None if image_width is None else Attention(width, heads, image_width)
        self.look_norm = None if image_width is None else nn.LayerNorm(width)
        self.feed = feed_forward(width)
        self.feed_norm = nn.LayerNorm(width)
        self.text_feed = feed_forward(width) if text_goes_on else None
        self.text_norm = nn.LayerNorm(width) if text_goes_on else None

    def forward(
        self, queries: Tensor, features: Tensor, text: Tensor | None = None, real: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """One layer.

        Args:
            queries: (views, queries, width).
            features: (views, tokens, image_width).
            text: (views, text tokens, width), which the queries attend to as to each other.
            real: (views, text tokens) bool, False at padding.

        Returns:
            Queries and text for the next layer.
        """
        count = queries.shape[1]
        stream, mask = queries, None
        if text is not None and real is not None:
            stream = torch.cat([queries, text], dim=1)
            mask = torch.cat([real.new_ones(len(real), count), real], dim=1)
        # The last layer's text would lead nowhere, and weights without a gradient make DDP wait.
        asking = stream if self.text_feed is not None else queries
        asking = self.attention_norm(asking + self.attention(asking, stream, mask))
        queries = asking[:, :count]
        if self.look is not None and self.look_norm is not None:
            queries = self.look_norm(queries + self.look(queries, features))
        queries = self.feed_norm(queries + self.feed(queries))
        if self.text_feed is not None and self.text_norm is not None:
            words = asking[:, count:]
            text = self.text_norm(words + self.text_feed(words))
        return queries, text


class QFormerProjector(Projector):
    """A fixed number of tokens from any number of features, in no grid.

    Source: the Q-Former of BLIP-2 with the language projection behind it. Its weights start fresh instead of
    from BERT, and there is no dropout.
    """

    Settings = QFormerSettings
    settings: QFormerSettings

    def __init__(self, config: ProjectorConfig, vision_width: int, language_width: int) -> None:
        super().__init__(config, vision_width, language_width)
        size = self.settings
        self.image_norm = nn.LayerNorm(vision_width)
        self.queries = nn.Parameter(torch.randn(size.queries, size.width) * _SPREAD)
        self.query_norm = nn.LayerNorm(size.width)
        self.layers = nn.ModuleList(
            QFormerLayer(
                size.width,
                size.heads,
                vision_width if number % size.cross_every == 0 else None,
                text_goes_on=self.reads_text and number < size.layers - 1,
            )
            for number in range(size.layers)
        )
        self.out = nn.Linear(size.width, language_width)
        self.apply(start_as_bert)

    def out_tokens(self, tokens: ViewTokens) -> ViewTokens:
        """One token a query."""
        return ViewTokens(self.settings.queries)

    def forward(self, features: Tensor, grid: Grid | None, text: Text | None = None) -> Tensor:
        """(views, tokens, vision_width) to (views, settings.queries, language_width)."""
        return self.ask(features.to(self.dtype), None, None)

    def ask(self, features: Tensor, words: Tensor | None, real: Tensor | None) -> Tensor:
        """The queries through all layers.

        Args:
            features: (views, tokens, vision_width).
            words: (views, text tokens, width) of the instruction, where it is read.
            real: (views, text tokens) bool, False at padding.
        """
        image = self.image_norm(features)
        queries = self.query_norm(self.queries.expand(len(features), -1, -1))
        for layer in self.layers:
            queries, words = layer(queries, image, words, real)
        return self.out(queries)


def start_as_bert(module: nn.Module) -> None:
    """Give a linear layer BERT's small initial weights."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=_SPREAD)
        nn.init.zeros_(module.bias)
