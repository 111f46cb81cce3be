"""The generation engine that evaluation, chat, the demo and self-labelling builders share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from mmtune.decode.generation import Generation, Source, Token
from mmtune.decode.images import Instructed, encode_images, image_keys, open_image
from mmtune.decode.limits import eos_ids, sliding_window
from mmtune.decode.plan import Batch, Prompt, Window, plan, windows
from mmtune.decode.prompts import PromptEncoder
from mmtune.decode.requests import Clip, Completion, ImageSource, Request, Settings
from mmtune.decode.stops import StopRule, TextStream
from mmtune.decode.strategies import get_strategy
from mmtune.errors import UserError

log = logging.getLogger(__name__)

WINDOW = 4
"""Batches' worth of requests that are prepared together: enough to sort by length, few enough for memory."""

IMAGES_A_CALL = 64
"""Images that go through the vision tower together."""

FEATURES_KEPT = 4
"""Images whose features ``stream`` keeps, so that the turns of a chat do not encode theirs again."""

Failures = dict[int, UserError]


class Engine:
    """Answers requests with one model.

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
            _move(self.model, device)
        self.tokenizer = bundle.tokenizer
        template = get_template(bundle.template, tokenizer=bundle.tokenizer)
        text_config = self.model.language.config.get_text_config()
        self.context: int | None = getattr(text_config, "max_position_embeddings", None)
        self.window = sliding_window(text_config)
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
        if batch_size < 1:
            raise UserError(f"the batch size is {batch_size}", fix="give at least 1")
        settings = settings or Settings()
        answers: dict[int, Completion] = {}
        with _evaluating(self.model):
            generation = self._generation(settings)
            keys = self._keys(requests, failures)
            if progress is not None and len(keys) < len(requests):
                progress(len(requests) - len(keys))
            for window in windows(keys, batch_size * WINDOW):
                sources = self._sources(requests, window, settings, {}, failures)
                if progress is not None and len(sources) < len(window):
                    progress(len(window) - len(sources))
                for batch_answers in self._run(generation, window, sources, batch_size):
                    answers |= batch_answers
                    if progress is not None:
                        progress(len(batch_answers))
        nothing = Completion("", (), "failed")
        return [answers.get(index, nothing) for index in range(len(requests))]

    def stream(self, request: Request, settings: Settings | None = None) -> Iterator[str]:
        """Answer one request piece by piece; the pieces, joined, are the completion's text.

        A piece never ends inside a character. The features of the last few images are kept for the next turn.

        Raises:
            UserError: as ``generate``, when the first piece is asked for.
        """
        settings = settings or Settings()
        with _evaluating(self.model):
            keys = self._keys([request], None)
            sources = self._sources([request], keys, settings, self._features, None)
            for old in list(self._features)[: -max(FEATURES_KEPT, len(keys[0]))]:
                del self._features[old]
            text = TextStream(self.stops)
            for tokens in self._generation(settings).run(Batch(rows=[0]), [sources[0]]):
                if piece := text.push(tokens[0].id):
                    yield piece
            if piece := text.finish():
                yield piece

    def _generation(self, settings: Settings) -> Generation:
        return Generation(
            self.model,
            get_strategy(settings),
            self.stops,
            dense_mask=self.window is None,
            words=self.words,
            logprobs=settings.logprobs,
        )

    def _keys(self, requests: Sequence[Request], failures: Failures | None) -> Window:
        """The image keys of all requests that ask something."""
        known: dict[int, Hashable] = {}
        keys: Window = {}
        for index, request in enumerate(requests):
            with _noting(failures, index):
                self.prompts.check(request, _name(request, index))
                found = image_keys(request, known)
                if self.model.projector.reads_text:
                    found = tuple(map(Instructed, found, self.prompts.instructions(request)))
                keys[index] = found
        return keys

    def _sources(
        self,
        requests: Sequence[Request],
        window: Window,
        settings: Settings,
        features: dict[Hashable, Tensor],
        failures: Failures | None,
    ) -> dict[int, Source]:
        """Prompts and visual tokens of a window; ``features`` has or gets those of its images, by key."""
        images: dict[Hashable, Image | Clip] = {}
        lost: dict[Hashable, UserError] = {}
        for index, keys in window.items():
            for key, source in zip(keys, requests[index].images, strict=True):
                if key not in features and key not in images and key not in lost:
                    try:
                        images[key] = open_image(source)
                    except UserError as error:
                        lost[key] = error
                    if len(images) == IMAGES_A_CALL:
                        self._encode(images, features)
        self._encode(images, features)
        sources: dict[int, Source] = {}
        for index, keys in window.items():
            with _noting(failures, index):
                for key in keys:
                    if key in lost:
                        raise lost[key]
                visual = [features[key] for key in keys]
                prompt = self.prompts.encode(
                    requests[index], [len(tokens) for tokens in visual], _name(requests[index], index)
                )
                room = settings.max_new_tokens
                if self.context is not None:
                    room = min(room, self.context - len(prompt))
                sources[index] = Source(
                    prompt, torch.cat(visual) if visual else None, room, _draws(settings, index, room)
                )
        return sources

    def _encode(self, images: dict[Hashable, Image | Clip], features: dict[Hashable, Tensor]) -> None:
        """Move images on to ``features``."""
        if images:
            read = [key.instruction for key in images if isinstance(key, Instructed)]
            tokens = encode_images(self.model, list(images.values()), read or None)
            features.update(zip(images, tokens, strict=True))
            images.clear()

    def _run(
        self, generation: Generation, window: Window, sources: dict[int, Source], batch_size: int
    ) -> Iterator[dict[int, Completion]]:
        """Completions of one window, batch by batch."""
        indices = list(sources)
        listed = [sources[index] for index in indices]
        longest = max((len(source.ids) + source.limit for source in listed), default=0)
        prompts = [Prompt(sources[index].ids, window[index]) for index in indices]
        # A sliding window counts slots of the cache, so that padding inside a row would shift it.
        uniform = self.window is not None and longest > self.window
        for batch in plan(prompts, batch_size, uniform=uniform):
            tokens = _attempt(generation, batch, listed)
            if tokens is not None:
                yield {
                    indices[prompt]: self._completion(row, listed[prompt])
                    for prompt, row in zip(batch.rows, tokens, strict=True)
                }
                continue
            if len(batch.rows) == 1:
                raise UserError(
                    f"the GPU has too little memory for a prompt of {len(listed[batch.rows[0]].ids)} tokens",
                    f"request {indices[batch.rows[0]]}",
                    "use a smaller model or a shorter prompt",
                )
            half = (len(batch.rows) + 1) // 2
            log.warning("out of GPU memory with %d rows at once, trying %d", len(batch.rows), half)
            part = {indices[prompt]: listed[prompt] for prompt in batch.rows}
            yield from self._run(generation, window, part, half)

    def _completion(self, tokens: list[Token], source: Source) -> Completion:
        ids = [token.id for token in tokens]
        scores = [token.logprob for token in tokens if token.logprob is not None]
        return Completion(
            text=self.stops.text(ids).strip(),
            ids=tuple(ids),
            stopped="stop" if self.stops.ended(ids) else "length",
            logprobs=tuple(scores) if scores else None,
            prompt_tokens=len(source.ids),
        )


def _attempt(generation: Generation, batch: Batch, sources: Sequence[Source]) -> list[list[Token]] | None:
    """Tokens of each row of a batch, or None where the GPU's memory does not suffice for it."""
    collected: list[list[Token]] = [[] for _ in batch.rows]
    try:
        for tokens in generation.run(batch, sources):
            for token in tokens:
                collected[token.row].append(token)
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None
    return collected


def _move(model: torch.nn.Module, device: torch.device | str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # AssertionError: a torch that was built without CUDA
        reason = str(error).splitlines()[0]
        raise UserError(f"the device cannot be used: {reason}", str(device), "use cpu") from error
    model.to(device)


def _draws(settings: Settings, index: int, count: int) -> Tensor | None:
    """Random numbers of the request at ``index``, the same whatever is generated beside it."""
    if settings.temperature == 0:
        return None
    # Neighbouring seeds and neighbouring requests must not share a sequence.
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + index)
    return torch.rand(count, generator=generator)


def _name(request: Request, index: int) -> str:
    return request.id or f"request {index}"


@contextmanager
def _noting(failures: Failures | None, index: int) -> Iterator[None]:
    """Keep a request's error in ``failures``, where that is given."""
    try:
        yield
    except UserError as error:
        if failures is None:
            raise
        failures[index] = error


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Switch dropout and the like off, and afterwards on again where it was."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


__all__ = ["Clip", "Completion", "Engine", "ImageSource", "Request", "Settings"]
