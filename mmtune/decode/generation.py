"""The decoding loop: one batch of the plan through prefill and token-by-token generation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmtune.batch import IMAGE_TOKEN_ID
from mmtune.decode.cache import Rows
from mmtune.decode.growing import SPARE
from mmtune.decode.plan import Batch
from mmtune.decode.stops import StopRule
from mmtune.decode.strategies import Step, Strategy

DROP_BELOW = 0.75
"""Finished rows leave the batch once less than this share of its rows is still being generated."""


@dataclass(frozen=True)
class Source:
    """A prompt as the loop reads it."""

    ids: list[int]
    visual: Tensor | None
    """(visual tokens, width) of all its images, in order."""
    limit: int
    """Tokens that may be generated."""
    draws: Tensor | None
    """(limit,) random numbers in [0, 1), for strategies that sample."""


@dataclass(frozen=True)
class Token:
    """One generated token."""

    row: int
    """Row of the batch."""
    id: int
    logprob: float | None
    last: bool
    """Whether the row is over with it."""


class Generation:
    """Generates for batches with one model and one way of choosing tokens.

    Args:
        model: a ``VisionLanguageModel``.
        strategy: chooses the next tokens.
        stops: when an answer is over.
        dense_mask: as in ``Rows.advance``.
        words: ids that the tokenizer has; what pads a vocabulary behind them is never chosen.
        logprobs: whether tokens carry their log-probability.
    """

    def __init__(
        self,
        model: Any,
        strategy: Strategy,
        stops: StopRule,
        *,
        dense_mask: bool,
        words: int | None = None,
        logprobs: bool = False,
    ) -> None:
        self.model = model
        self.language = model.language
        self.strategy = strategy
        self.stops = stops
        self.dense_mask = dense_mask
        self.words = words
        self.logprobs = logprobs
        self.device = self.language.get_input_embeddings().weight.device

    @torch.inference_mode()
    def run(self, batch: Batch, sources: Sequence[Source]) -> Iterator[list[Token]]:
        """Generate, one list of tokens (one for each row that is not over) a step.

        Args:
            batch: rows and shared prefixes.
            sources: the prompts that the batch refers to by index.
        """
        rows, logits = self._prefill(batch, sources)
        prompts = [sources[index] for index in batch.rows]
        generated: list[list[int]] = [[] for _ in prompts]
        live = list(range(len(prompts)))  # the prompt of each row that is still in the cache
        over = [False] * len(prompts)
        draws = _stack_draws(prompts, self.device)
        for step in range(max(prompt.limit for prompt in prompts)):
            now = torch.zeros(len(live), device=self.device) if draws is None else draws[live, step]
            logits = logits[:, : self.words]
            chosen = self.strategy.choose(Step(logits, now, [generated[place] for place in live]))
            scores = self._scores(logits, chosen)
            tokens = []
            for place, token, score in zip(live, chosen.tolist(), scores, strict=True):
                if over[place]:
                    continue
                generated[place].append(token)
                over[place] = (
                    self.stops.ended(generated[place]) or len(generated[place]) == prompts[place].limit
                )
                tokens.append(Token(place, token, score, over[place]))
            yield tokens
            kept = [row for row, place in enumerate(live) if not over[place]]
            if not kept:
                return
            if len(kept) < DROP_BELOW * len(live):
                index = torch.tensor(kept, device=self.device)
                rows.keep(index)
                chosen = chosen[index]
                live = [live[row] for row in kept]
            embeddings = self.model.embed(chosen).unsqueeze(1)
            real = torch.ones(len(live), 1, dtype=torch.bool, device=self.device)
            logits = rows.advance(self.language, embeddings, real, dense_mask=self.dense_mask)

    def _scores(self, logits: Tensor, chosen: Tensor) -> list[Any]:
        if not self.logprobs:
            return [None] * len(chosen)
        return torch.log_softmax(logits, dim=-1).gather(-1, chosen.unsqueeze(-1)).squeeze(-1).tolist()

    def _prefill(self, batch: Batch, sources: Sequence[Source]) -> tuple[Rows, Tensor]:
        """Read the prompts: each distinct prefix once, then what is left of every row."""
        rest = [
            (sources[index], batch.start(row), len(sources[index].ids))
            for row, index in enumerate(batch.rows)
        ]
        if batch.owners:
            starts = [
                (sources[owner], 0, length)
                for owner, length in zip(batch.owners, batch.prefix_lengths, strict=True)
            ]
            prefixes = Rows.empty(len(starts), self.device)
            prefixes.advance(self.language, *self._embed(starts), dense_mask=self.dense_mask)
            room = max(end - start for _, start, end in rest) + SPARE
            rows = prefixes.copied(torch.tensor(batch.prefix_of_row, device=self.device), room)
        else:
            rows = Rows.empty(len(batch.rows), self.device)
        return rows, rows.advance(self.language, *self._embed(rest), dense_mask=self.dense_mask)

    def _embed(self, spans: Sequence[tuple[Source, int, int]]) -> tuple[Tensor, Tensor]:
        """Embeddings of parts of prompts, padded on the left.

        Args:
            spans: (prompt, first position, end).

        Returns:
            (rows, longest, width) and the (rows, longest) bool mask of what is no padding.
        """
        longest = max(end - start for _, start, end in spans)
        flat: list[int] = []
        lengths = []
        visual = []
        for source, start, end in spans:
            part = source.ids[start:end]
            flat += [0] * (longest - len(part)) + part
            lengths.append(len(part))
            inside = part.count(IMAGE_TOKEN_ID)
            if inside and source.visual is not None:
                before = source.ids[:start].count(IMAGE_TOKEN_ID)
                visual.append(source.visual[before : before + inside])
        ids = torch.tensor(flat, device=self.device)
        embeddings = self.model.embed(ids, visual_tokens=visual).view(len(spans), longest, -1)
        places = torch.arange(longest, device=self.device)
        real = places >= longest - torch.tensor(lengths, device=self.device).unsqueeze(1)
        return embeddings, real


def _stack_draws(prompts: Sequence[Source], device: torch.device) -> Tensor | None:
    """(prompts, longest limit) random numbers, or None where the strategy draws none."""
    rows = [prompt.draws for prompt in prompts if prompt.draws is not None]
    if len(rows) < len(prompts):
        return None
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)
