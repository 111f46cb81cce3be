"""The language model's forward pass over packed rows: prompts at first, then one token a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmtune.batch import IMAGE_TOKEN_ID
from mmtune.decode.last_block import LastBlock
from mmtune.decode.rows import Rows
from mmtune.decode.steps import SPARE, NextTokens, Reading, Step
from mmtune.models.attention import choose_kernel, decoding_arguments


@dataclass(frozen=True)
class Source:
    """A prompt as the language model reads it."""

    index: int
    """Which request it belongs to."""
    ids: list[int]
    """``IMAGE_TOKEN_ID`` where a visual token stands."""
    visual: Tensor | None
    """(visual tokens, width) of all its images, in order."""
    limit: int = 1
    """Tokens that may be generated."""
    draws: tuple[float, ...] | None = None
    """A random number in [0, 1) for each of them, for strategies that sample."""
    tail: int = 1
    """Positions at its end whose logits are wanted."""


@dataclass(frozen=True)
class Trunk:
    """Sources whose first ``prefix`` tokens are the same; 0 for a source alone."""

    sources: tuple[Source, ...]
    prefix: int = 0

    @property
    def tokens(self) -> int:
        """Positions to be read."""
        return self.prefix + sum(len(source.ids) - self.prefix for source in self.sources)


@dataclass
class Read:
    """Rows in memory, and the sources that they were read from."""

    rows: Rows
    sources: list[Source]


class Reader:
    """Runs a language model over sources and over the tokens that follow them.

    Args:
        model: a ``VisionLanguageModel``.
        words: ids that the tokenizer has; what pads a vocabulary behind them is cut off the logits.
    """

    def __init__(self, model: Any, words: int | None) -> None:
        self.model = model
        self.words = words
        embedding = model.language.get_input_embeddings()
        self.device = embedding.weight.device
        self._embedding = embedding
        self._kernel = choose_kernel(model.kernel, self.device, embedding.weight.dtype)
        self._last_block = LastBlock(model.language)

    def read(self, trunks: Sequence[Trunk]) -> list[tuple[Read, Tensor]]:
        """Read prompts, each shared prefix once.

        Args:
            trunks: of both kinds, in any order.

        Returns:
            Rows with their logits (sum of the sources' tails, vocabulary) float32: rows behind prefixes, and
            rows alone, so that there are one or two.
        """
        kinds = [[t for t in trunks if t.prefix], [t for t in trunks if not t.prefix]]
        pieces, reads, counts = [], [], []
        spans: list[tuple[Source, int, int]] = []
        wanted: list[int] = []
        for kind in filter(None, kinds):
            sources = [source for trunk in kind for source in trunk.sources]
            of = [number for number, trunk in enumerate(kind) for _ in trunk.sources if trunk.prefix]
            prefixes = [trunk.prefix for trunk in kind if trunk.prefix]
            own = [len(source.ids) - trunk.prefix for trunk in kind for source in trunk.sources]
            rows = Rows(own, prefixes, of, self.device)
            room = max(source.limit for source in sources) - 1
            pieces.append(Reading(rows, self._kernel, min(room, SPARE)))
            reads.append(Read(rows, sources))
            counts.append(sum(source.tail for source in sources))
            place = sum(end - start for _, start, end in spans)
            for trunk in kind:
                if trunk.prefix:
                    spans.append((trunk.sources[0], 0, trunk.prefix))
                    place += trunk.prefix
                for source in trunk.sources:
                    spans.append((source, trunk.prefix, len(source.ids)))
                    place += len(source.ids) - trunk.prefix
                    wanted += range(place - source.tail, place)
        places = [place for _, start, end in spans for place in range(start, end)]
        positions = torch.tensor(places, device=self.device)
        logits = self._forward(self._embed(spans), positions, Step(pieces), wanted)
        return list(zip(reads, logits.split(counts), strict=True))

    def follow(self, reads: Sequence[Read], tokens: Tensor) -> Tensor:
        """Read one more token of every row.

        Args:
            reads: rows that have been read.
            tokens: (rows of all) their next ids.

        Returns:
            (rows of all, vocabulary) float32 logits.
        """
        pieces = [NextTokens(read.rows) for read in reads]
        positions = torch.cat([read.rows.positions for read in reads])
        logits = self._forward(self._embedding(tokens), positions, Step(pieces), None)
        for read in reads:
            read.rows.taken()
        return logits

    def _forward(self, embeddings: Tensor, positions: Tensor, step: Step, wanted: list[int] | None) -> Tensor:
        keep = None if wanted is None else torch.tensor(wanted, device=self.device)
        with self._last_block.only(keep):
            out = self.model.language(
                inputs_embeds=embeddings.unsqueeze(0),
                position_ids=positions.unsqueeze(0),
                use_cache=False,
                logits_to_keep=0 if keep is None else keep,
                **decoding_arguments(step, self.device),
            )
        return out.logits[0, :, : self.words].float()

    def _embed(self, spans: Sequence[tuple[Source, int, int]]) -> Tensor:
        """(tokens, width) embeddings of parts of prompts, (prompt, first position, end), end to end."""
        ids: list[int] = []
        visual = []
        for source, start, end in spans:
            part = source.ids[start:end]
            ids += part
            inside = part.count(IMAGE_TOKEN_ID)
            if inside and source.visual is not None:
                before = source.ids[:start].count(IMAGE_TOKEN_ID)
                visual.append(source.visual[before : before + inside])
        embeddings: Tensor = self.model.embed(torch.tensor(ids, device=self.device), visual_tokens=visual)
        return embeddings
