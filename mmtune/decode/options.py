"""Ranking options by what the model gives them as the answer, without generating anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mmtune.decode.generation import TOKENS_A_READING
from mmtune.decode.plan import Window, windows
from mmtune.decode.reading import Reader, Source, Trunk
from mmtune.decode.requests import Request, Settings
from mmtune.decode.sources import WINDOW, Preparation, name_of, trunks
from mmtune.errors import UserError


@dataclass(frozen=True)
class Ranking:
    """What the model gives each option of a request."""

    logprobs: tuple[float, ...]
    """Summed over the tokens that count: the first one, or all of the option."""
    tokens: tuple[int, ...]
    """How many these are."""

    @property
    def best(self) -> int:
        """Place of the likeliest option, the first of equals."""
        return max(range(len(self.logprobs)), key=self.logprobs.__getitem__)

    @property
    def best_mean(self) -> int:
        """As ``best``, by the mean over an option's tokens."""
        means = [total / count for total, count in zip(self.logprobs, self.tokens, strict=True)]
        return max(range(len(means)), key=means.__getitem__)


def rank_options(
    preparation: Preparation,
    words: int | None,
    requests: Sequence[Request],
    options: Sequence[Sequence[str]],
    keys: Window,
    first: int | None,
    batch_size: int,
) -> Iterator[tuple[int, Ranking | None]]:
    """Rankings of the requests that ``keys`` names, as they are known; None for a request that failed.

    Options that count with one token each need nothing but the question; longer ones stand behind it as
    branches of their own, behind the prefix that all questions about an image share.

    Args:
        preparation: makes sources of requests.
        words: ids that the tokenizer has.
        requests: all of them.
        options: answers to each.
        keys: image keys by index.
        first: tokens of an option that count; None is all.
        batch_size: questions that are read together.
    """
    reader = Reader(preparation.model, words)
    for window in windows(keys, batch_size * WINDOW):
        sources = preparation.sources(requests, window, Settings(max_new_tokens=1), {}, batch_size)
        answers: dict[int, list[list[int]]] = {}
        for source in sources:
            with preparation.noting(source.index):
                request = requests[source.index]
                answers[source.index] = _answers(
                    preparation, request, options[source.index], first, source.index
                )
        yield from ((index, None) for index in window if index not in answers)
        branches = [
            branch
            for source in sources
            if source.index in answers
            for branch in _branches(source, answers[source.index])
        ]
        scores: dict[int, dict[int, float]] = {}
        for chunk in _chunks(trunks(branches, window, batch_size), batch_size):
            for source, logprobs in _read(reader, chunk):
                ids = answers[source.index]
                known = scores.setdefault(source.index, {})
                tail = source.ids[len(source.ids) - source.tail + 1 :]
                for place, option in enumerate(ids):
                    if option[:-1] == tail:
                        known[place] = _score(logprobs, option)
                if len(known) == len(ids):
                    yield (
                        source.index,
                        Ranking(tuple(known[place] for place in range(len(ids))), tuple(map(len, ids))),
                    )


def _answers(
    preparation: Preparation, request: Request, options: Sequence[str], first: int | None, index: int
) -> list[list[int]]:
    """Ids of each option, as many as count."""
    ids = [preparation.prompts.option(request, option)[:first] for option in options]
    if len(ids) < 2 or not all(ids) or len({tuple(one) for one in ids}) < len(ids):
        raise UserError(
            f"the options {', '.join(map(repr, options))} cannot be told apart"
            + (" by their first token" if first == 1 else ""),
            name_of(request, index),
            "rank them by likelihood" if first == 1 else "give two different answers or more",
        )
    return ids


def _branches(source: Source, options: Sequence[Sequence[int]]) -> Iterator[Source]:
    """The prompt behind which every option can be scored, once for each that begins differently.

    The logits at the last token of a prompt score the first token of an option, so that an option's last
    token is never read.
    """
    for read in dict.fromkeys(tuple(option[:-1]) for option in options):
        yield replace(source, ids=[*source.ids, *read], tail=len(read) + 1)


def _chunks(found: Iterator[Trunk], size: int) -> Iterator[list[Trunk]]:
    chunk: list[Trunk] = []
    rows = tokens = 0
    for trunk in found:
        rows, tokens = rows + len(trunk.sources), tokens + trunk.tokens
        if chunk and (rows > size or tokens > TOKENS_A_READING):
            yield chunk
            chunk, rows, tokens = [], len(trunk.sources), trunk.tokens
        chunk.append(trunk)
    if chunk:
        yield chunk


@torch.inference_mode()
def _read(reader: Reader, chunk: Sequence[Trunk]) -> list[tuple[Source, Tensor]]:
    """(tail, vocabulary) log-probabilities of every source."""
    found = []
    for read, logits in reader.read(chunk):
        logprobs = torch.log_softmax(logits, dim=-1).cpu()
        found += list(zip(read.sources, logprobs.split([s.tail for s in read.sources]), strict=True))
    return found


def _score(logprobs: Tensor, option: Sequence[int]) -> float:
    places = torch.arange(len(option))
    return float(logprobs[places, torch.tensor(option)].double().sum())
