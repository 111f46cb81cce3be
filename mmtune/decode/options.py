"""Ranking options by what the model gives them as the answer, without generating anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import torch

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
                ids = _answers(preparation, request, options[source.index], first, source.index)
                _check_room(preparation.prompts.context, source, ids, name_of(request, source.index))
                answers[source.index] = ids
        yield from ((index, None) for index in window if index not in answers)
        branches = [
            branch
            for source in sources
            if source.index in answers
            for branch in _branches(source, answers[source.index])
        ]
        scores: dict[int, dict[int, float]] = {}
        for chunk in _chunks(trunks(branches, window, batch_size), batch_size):
            for index, place, score in _score(reader, chunk, answers):
                known = scores.setdefault(index, {})
                known[place] = score
                if len(known) == len(answers[index]):
                    logprobs = tuple(known[place] for place in range(len(known)))
                    yield index, Ranking(logprobs, tuple(map(len, answers[index])))


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


def _check_room(context: int | None, source: Source, options: Sequence[Sequence[int]], name: str) -> None:
    """Refuse an option that does not fit behind its question.

    Raises:
        UserError: with both lengths.
    """
    longest = max(map(len, options))
    if context is not None and len(source.ids) + longest > context:
        raise UserError(
            f"the prompt has {len(source.ids)} tokens and an option {longest}, and the language model reads"
            f" at most {context}",
            name,
            "shorten the conversation or use fewer images",
        )


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
def _score(
    reader: Reader, chunk: Sequence[Trunk], answers: Mapping[int, Sequence[Sequence[int]]]
) -> list[tuple[int, int, float]]:
    """The options that the chunk's branches score: request, place of the option, summed log-probability."""
    found = []
    for read, logits in reader.read(chunk):
        rows: list[int] = []
        tokens: list[int] = []
        scored: list[tuple[int, int, int]] = []
        start = 0
        for source in read.sources:
            tail = source.ids[len(source.ids) - source.tail + 1 :]
            for place, option in enumerate(answers[source.index]):
                if option[:-1] == tail:
                    scored.append((source.index, place, len(option)))
                    rows += range(start, start + len(option))
                    tokens += option
            start += source.tail
        places, ids = (torch.tensor(each, device=logits.device) for each in (rows, tokens))
        each = iter((logits[places, ids] - logits.logsumexp(-1)[places]).tolist())
        found += [(index, place, sum(islice(each, length))) for index, place, length in scored]
    return found
