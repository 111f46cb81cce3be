"""The generation engine that evaluation, chat, the demo and self-labelling builders share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmtune.decode.generation import Generation, Token
from mmtune.decode.limits import check_layers, eos_ids
from mmtune.decode.options import Ranking, rank_options
from mmtune.decode.prompts import PromptEncoder
from mmtune.decode.reading import Trunk
from mmtune.decode.requests import Clip, Completion, ImageSource, Request, Settings
from mmtune.decode.running import evaluating, halved, move
from mmtune.decode.sources import Failures, Preparation, trunks
from mmtune.decode.stops import StopRule, TextStream
from mmtune.decode.strategies import get_strategy
from mmtune.errors import UserError

FEATURES_KEPT = 4
"""Images whose features ``stream`` keeps, so that the turns of a chat do not encode theirs again."""

FAILED = Completion("", (), "failed")


class Engine:
    """Answers requests with one model.

    Prompts about the same images stand behind one copy of what they share: the image is encoded once, and the
    common start of the prompts is read once. New prompts enter while others are still being answered.

    Greedy answers depend neither on the batch size nor on the order of the requests, up to ties that float
    arithmetic breaks; sampled ones depend on the seed and the request's place in the list, not on the batch.

    Args:
        bundle: model, tokenizer, template.
        device: where to run; by default where the model is.

    Raises:
        UserError: if nothing could end an answer, the language model keeps no keys and values, or this
            machine has no such device.
    """

    def __init__(self, bundle: Any, device: torch.device | str | None = None) -> None:
        from mmtune.models.new_tokens import ids_of
        from mmtune.templates import get_template

        self.bundle = bundle
        self.model = bundle.model
        if device is not None:
            move(self.model, device)
        self.tokenizer = bundle.tokenizer
        template = get_template(bundle.template, tokenizer=bundle.tokenizer)
        text_config = self.model.language.config.get_text_config()
        self.context: int | None = getattr(text_config, "max_position_embeddings", None)
        check_layers(text_config)
        self.prompts = PromptEncoder(self.tokenizer, template, self.context)
        self.stops = StopRule(self.tokenizer, template.stop, eos_ids(self.model.language))
        self.words = ids_of(self.tokenizer)
        self._features: dict[Hashable, Tensor] = {}

    @classmethod
    def from_checkpoint(cls, folder: str | Path, device: torch.device | str | None = None) -> Engine:
        """An engine for a checkpoint folder, on the GPU where there is one."""
        from mmtune.models.checkpoint import load

        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(load(Path(folder)), device)

    def identity(self) -> dict[str, str]:
        """What answers depend on beside the requests: hashes of weights and tokenizer, and the settings."""
        from mmtune.decode.identity import identity

        return identity(self.bundle)

    def generate(
        self,
        requests: Sequence[Request],
        settings: Settings | None = None,
        *,
        batch_size: int = 64,
        progress: Callable[[int], object] | None = None,
        failures: Failures | None = None,
    ) -> list[Completion]:
        """Answer requests in batches.

        Args:
            requests: in any order; those with the same images share features and prefix.
            settings: greedy with 64 tokens by default.
            batch_size: rows that are generated together; halved where the GPU's memory does not suffice.
            progress: called with the number of requests that have just been finished.
            failures: takes the errors of requests that cannot be answered, by their index, and their
                completions are empty and ``stopped == "failed"``. Without it the first one is raised.

        Returns:
            One completion for each request, in the order of the requests.

        Raises:
            UserError: for an image that cannot be used, a prompt longer than the model's context, a
                conversation that asks nothing, placeholders that do not match the images, or a batch size
                below 1.
        """
        answers: dict[int, Completion] = {}
        for index, completion in self.answers(requests, settings, batch_size=batch_size, failures=failures):
            answers[index] = completion
            if progress is not None:
                progress(1)
        return [answers[index] for index in range(len(requests))]

    def answers(
        self,
        requests: Sequence[Request],
        settings: Settings | None = None,
        *,
        batch_size: int = 64,
        failures: Failures | None = None,
    ) -> Iterator[tuple[int, Completion]]:
        """As ``generate``, each answer as soon as it is over: its request's index and its completion.

        Raises:
            UserError: as ``generate``, when the answer is asked for.
        """
        if batch_size < 1:
            raise UserError(f"the batch size is {batch_size}", fix="give at least 1")
        settings = settings or Settings()
        failed = {} if failures is None else failures
        preparation = Preparation(self.model, self.prompts, failures)
        with evaluating(self.model):
            generation = self._generation(settings)
            waiting = preparation.keys(requests)
            given = set(waiting)
            yield from ((index, FAILED) for index in range(len(requests)) if index not in given)
            while waiting:
                feed = preparation.feed(requests, dict(waiting), settings, batch_size)
                try:
                    for index, completion in self._run(generation, feed, batch_size):
                        del waiting[index]
                        yield index, completion
                    lost = list(waiting)
                except torch.OutOfMemoryError:
                    lost = [index for index in waiting if index in failed]
                    batch_size = halved(batch_size)
                for index in lost:
                    del waiting[index]
                    yield index, FAILED

    def next_tokens(
        self,
        requests: Sequence[Request],
        options: Sequence[Sequence[str]],
        *,
        batch_size: int = 64,
        failures: Failures | None = None,
    ) -> Iterator[tuple[int, Ranking | None]]:
        """Let the next token decide between options: one pass, and nothing is generated.

        An option is judged by the first token of what the template makes of it as an answer.

        Args:
            requests: in any order; those with the same images share features and prefix.
            options: two answers or more for each request, whose first tokens differ.
            batch_size: prompts that are read together.
            failures: as for ``generate``.

        Yields:
            A request's index and its ranking, None where it failed; in any order.

        Raises:
            UserError: as ``generate``, or if two options of a request begin with the same token.
        """
        return self._rank(requests, options, 1, batch_size, failures)

    def likelihoods(
        self,
        requests: Sequence[Request],
        options: Sequence[Sequence[str]],
        *,
        batch_size: int = 64,
        failures: Failures | None = None,
    ) -> Iterator[tuple[int, Ranking | None]]:
        """Rank options by the log-likelihood of all their tokens as the answer; as ``next_tokens``."""
        return self._rank(requests, options, None, batch_size, failures)

    def _rank(
        self,
        requests: Sequence[Request],
        options: Sequence[Sequence[str]],
        first: int | None,
        batch_size: int,
        failures: Failures | None,
    ) -> Iterator[tuple[int, Ranking | None]]:
        if batch_size < 1:
            raise UserError(f"the batch size is {batch_size}", fix="give at least 1")
        preparation = Preparation(self.model, self.prompts, failures)
        with evaluating(self.model):
            waiting = preparation.keys(requests)
            yield from ((index, None) for index in range(len(requests)) if index not in waiting)
            while waiting:
                try:
                    for index, ranking in rank_options(
                        preparation, self.words, requests, options, dict(waiting), first, batch_size
                    ):
                        del waiting[index]
                        yield index, ranking
                except torch.OutOfMemoryError:
                    batch_size = halved(batch_size)

    def stream(self, request: Request, settings: Settings | None = None) -> Iterator[str]:
        """Answer one request piece by piece; the pieces, joined, are the completion's text.

        A piece never ends inside a character. The features of the last few images are kept for the next turn.

        Raises:
            UserError: as ``generate``, when the first piece is asked for.
        """
        settings = settings or Settings()
        with evaluating(self.model):
            preparation = Preparation(self.model, self.prompts, None)
            keys = preparation.keys([request])
            sources = preparation.sources([request], keys, settings, self._features)
            for old in list(self._features)[: -max(FEATURES_KEPT, len(keys[0]))]:
                del self._features[old]
            text = TextStream(self.stops)
            for tokens in self._generation(settings).run(trunks(sources, keys, 1), 1):
                if piece := text.push(tokens[0].id):
                    yield piece
            if piece := text.finish():
                yield piece

    def _generation(self, settings: Settings) -> Generation:
        return Generation(
            self.model,
            get_strategy(settings),
            self.stops,
            words=self.words,
            logprobs=settings.logprobs,
        )

    def _run(
        self, generation: Generation, feed: Iterator[Trunk], capacity: int
    ) -> Iterator[tuple[int, Completion]]:
        """Completions as they are over."""
        lengths: dict[int, int] = {}
        collected: dict[int, list[Token]] = {}
        for tokens in generation.run(_noted(feed, lengths), capacity):
            for token in tokens:
                collected.setdefault(token.index, []).append(token)
                if token.last:
                    yield token.index, self._completion(collected.pop(token.index), lengths[token.index])

    def _completion(self, tokens: list[Token], prompt_tokens: int) -> Completion:
        ids = [token.id for token in tokens]
        scores = [token.logprob for token in tokens if token.logprob is not None]
        return Completion(
            text=self.stops.text(ids).strip(),
            ids=tuple(ids),
            stopped="stop" if self.stops.ended(ids) else "length",
            logprobs=tuple(scores) if scores else None,
            prompt_tokens=prompt_tokens,
        )


def _noted(feed: Iterator[Trunk], lengths: dict[int, int]) -> Iterator[Trunk]:
    """The feed, with the lengths of its prompts noted by index."""
    for trunk in feed:
        lengths.update((source.index, len(source.ids)) for source in trunk.sources)
        yield trunk


__all__ = ["Clip", "Completion", "Engine", "ImageSource", "Ranking", "Request", "Settings"]
