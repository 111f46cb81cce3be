"""The decoding loop: prompts enter as rows become free, and every row takes its next token at every step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmtune.decode.reading import Read, Reader, Source, Trunk
from mmtune.decode.stops import StopRule
from mmtune.decode.strategies import Step, Strategy

DROP_BELOW = 0.75
"""Finished rows leave those they were read with once less than this share of them is being generated."""

ENTER_BELOW = 0.75
"""New prompts enter once less than this share of the room is taken, so that they enter some at a time."""

TOKENS_A_READING = 16384
"""Positions of prompts that are read in one pass; a single prompt may be longer."""


@dataclass(frozen=True)
class Token:
    """One generated token."""

    index: int
    """The request that it belongs to."""
    id: int
    logprob: float | None
    last: bool
    """Whether the answer is over with it."""


class _Live:
    """Rows that were read together, with what has been generated in them."""

    def __init__(self, read: Read, logits: Tensor) -> None:
        self.read = read
        self.logits = logits
        """(rows, vocabulary) of the next token."""
        self.chosen = logits
        """(rows,) the token that was chosen last, once there is one."""
        self.generated: list[list[int]] = [[] for _ in read.sources]
        self.over = [False] * len(read.sources)

    @property
    def going(self) -> int:
        """Rows whose answer is not over."""
        return self.over.count(False)

    def drop(self) -> None:
        """Leave out finished rows, where there are many."""
        kept = [row for row, over in enumerate(self.over) if not over]
        if not kept or len(kept) >= DROP_BELOW * len(self.over):
            return
        self.read.rows.keep(kept)
        self.read.sources = [self.read.sources[row] for row in kept]
        self.generated = [self.generated[row] for row in kept]
        self.over = [False] * len(kept)
        self.chosen = self.chosen[torch.tensor(kept, device=self.chosen.device)]


class _Entry:
    """Prompts that wait for room."""

    def __init__(self, feed: Iterator[Trunk], capacity: int) -> None:
        self._feed = feed
        self._capacity = capacity
        self._next = next(feed, None)

    def take(self, going: int) -> list[Trunk]:
        """What enters beside ``going`` rows; nothing while there is too little room."""
        taken: list[Trunk] = []
        tokens = 0
        if going > ENTER_BELOW * self._capacity:
            return taken
        while self._next is not None:
            going += len(self._next.sources)
            tokens += self._next.tokens
            if going > self._capacity or (taken and tokens > TOKENS_A_READING):
                break
            taken.append(self._next)
            self._next = next(self._feed, None)
        return taken


class Generation:
    """Generates with one model and one way of choosing tokens.

    Args:
        model: a ``VisionLanguageModel``.
        strategy: chooses the next tokens.
        stops: when an answer is over.
        words: ids that the tokenizer has; what pads a vocabulary behind them is never chosen.
        logprobs: whether tokens carry their log-probability.
    """

    def __init__(
        self,
        model: Any,
        strategy: Strategy,
        stops: StopRule,
        *,
        words: int | None = None,
        logprobs: bool = False,
    ) -> None:
        self.reader = Reader(model, words)
        self.strategy = strategy
        self.stops = stops
        self.logprobs = logprobs

    @torch.inference_mode()
    def run(self, feed: Iterator[Trunk], capacity: int) -> Iterator[list[Token]]:
        """Generate until the feed is empty and all answers are over.

        Args:
            feed: prompts in the order in which they shall enter, none of more than ``capacity`` sources.
            capacity: rows that are generated at the same time.

        Yields:
            The new tokens of a step, one for each of its rows that was not over.
        """
        entry = _Entry(feed, capacity)
        live: list[_Live] = []
        while True:
            if trunks := entry.take(sum(one.going for one in live)):
                stepped = [_Live(read, logits) for read, logits in self.reader.read(trunks)]
                live = live + stepped
            elif live:
                stepped = live
                self._follow(live)
            else:
                return
            tokens = self._choose(stepped)
            live = [one for one in live if one.going]
            for one in live:
                one.drop()
            yield tokens

    def _follow(self, live: list[_Live]) -> None:
        """Read the token that was chosen last in every row."""
        chosen = [one.chosen for one in live]
        logits = self.reader.follow([one.read for one in live], torch.cat(chosen))
        for one, part in zip(live, logits.split([len(each) for each in chosen]), strict=True):
            one.logits = part

    def _choose(self, live: list[_Live]) -> list[Token]:
        """The next token of every row that is not over."""
        logits = torch.cat([one.logits for one in live])
        sources = [source for one in live for source in one.read.sources]
        generated = [ids for one in live for ids in one.generated]
        chosen = self.strategy.choose(Step(logits, _draws(sources, generated, logits), generated))
        scores = self._scores(logits, chosen)
        for one, part in zip(live, chosen.split([len(one.over) for one in live]), strict=True):
            one.chosen = part
        tokens = []
        places = [(one, row) for one in live for row in range(len(one.over))]
        for (one, row), token, score in zip(places, chosen.tolist(), scores, strict=True):
            if one.over[row]:
                continue
            ids, source = one.generated[row], one.read.sources[row]
            ids.append(token)
            one.over[row] = self.stops.ended(ids) or len(ids) == source.limit
            tokens.append(Token(source.index, token, score, one.over[row]))
        return tokens

    def _scores(self, logits: Tensor, chosen: Tensor) -> list[Any]:
        if not self.logprobs:
            return [None] * len(chosen)
        return torch.log_softmax(logits, dim=-1).gather(-1, chosen.unsqueeze(-1)).squeeze(-1).tolist()


def _draws(sources: list[Source], generated: list[list[int]], like: Tensor) -> Tensor:
    """(rows,) each row's own random number for its next token; zeros where nothing is drawn."""
    if not any(source.draws for source in sources):
        return like.new_zeros(len(sources))
    now = [
        source.draws[min(len(ids), source.limit - 1)] if source.draws else 0.0
        for source, ids in zip(sources, generated, strict=True)
    ]
    return torch.tensor(now, device=like.device)
