"""From requests to what the language model reads: images opened and encoded once, prompts tokenised."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from mmtune.decode.images import Instructed, encode_images, image_keys, open_image
from mmtune.decode.plan import Prompt, Window, plan, windows
from mmtune.decode.prompts import PromptEncoder
from mmtune.decode.reading import Source, Trunk
from mmtune.decode.requests import Clip, ImageSource, Request, Settings
from mmtune.errors import UserError

WINDOW = 4
"""Batches' worth of requests that are prepared together: enough to sort by length, few enough for memory."""

IMAGES_A_CALL = 64
"""Most images that go through the vision tower together."""

OPENING = 4
"""Threads that open images."""

Failures = dict[int, UserError]
"""Errors of requests that cannot be answered, by their index."""


class Preparation:
    """Makes sources of requests, a window of them at a time.

    Args:
        model: a ``VisionLanguageModel``.
        prompts: renders and tokenises.
        failures: takes the errors of single requests; None raises the first one.
    """

    def __init__(self, model: Any, prompts: PromptEncoder, failures: Failures | None) -> None:
        self.model = model
        self.prompts = prompts
        self.failures = failures

    def keys(self, requests: Sequence[Request]) -> Window:
        """The image keys of all requests that ask something."""
        known: dict[int, Hashable] = {}
        keys: Window = {}
        for index, request in enumerate(requests):
            with self.noting(index):
                self.prompts.check(request, name_of(request, index))
                found = image_keys(request, known)
                if self.model.projector.reads_text:
                    found = tuple(map(Instructed, found, self.prompts.instructions(request)))
                keys[index] = found
        return keys

    def feed(
        self, requests: Sequence[Request], keys: Window, settings: Settings, batch_size: int
    ) -> Iterator[Trunk]:
        """Sources of the requests that ``keys`` names, as they are to enter; the next window when asked for.

        Args:
            requests: all of them.
            keys: image keys by index.
            settings: of the answers.
            batch_size: most sources behind one prefix.
        """
        for window in windows(keys, batch_size * WINDOW):
            sources = self.sources(requests, window, settings, {}, images_a_call=batch_size)
            yield from trunks(sources, window, batch_size)

    def sources(
        self,
        requests: Sequence[Request],
        window: Window,
        settings: Settings,
        features: dict[Hashable, Tensor],
        images_a_call: int = IMAGES_A_CALL,
    ) -> list[Source]:
        """Prompts and visual tokens of a window.

        Args:
            requests: all of them.
            window: image keys by index.
            settings: of the answers.
            features: visual tokens of images by key; those that are missing are added.
            images_a_call: images that go through the tower together, at most ``IMAGES_A_CALL``.
        """
        lost = self._see(requests, window, features, min(images_a_call, IMAGES_A_CALL))
        sources = []
        for index, keys in window.items():
            with self.noting(index):
                for key in keys:
                    if key in lost:
                        raise lost[key]
                visual = [features[key] for key in keys]
                request = requests[index]
                ids = self.prompts.encode(request, [len(v) for v in visual], name_of(request, index))
                room = min(settings.max_new_tokens, request.max_new_tokens or settings.max_new_tokens)
                if self.prompts.context is not None:
                    room = min(room, self.prompts.context - len(ids))
                seen = torch.cat(visual) if visual else None
                sources.append(Source(index, ids, seen, room, _draws(settings, index, room)))
        return sources

    def _see(
        self, requests: Sequence[Request], window: Window, features: dict[Hashable, Tensor], together: int
    ) -> dict[Hashable, UserError]:
        """Encode the window's images that ``features`` lacks; the errors of those that cannot be opened."""
        wanted: dict[Hashable, ImageSource] = {}
        for index, keys in window.items():
            for key, source in zip(keys, requests[index].images, strict=True):
                if key not in features:
                    wanted.setdefault(key, source)
        lost: dict[Hashable, UserError] = {}
        missing = list(wanted)
        with ThreadPoolExecutor(OPENING) as pool:  # decoding lets other threads run
            for start in range(0, len(missing), together):
                part = missing[start : start + together]
                images: dict[Hashable, Image | Clip] = {}
                for key, found in zip(part, pool.map(_opened, [wanted[key] for key in part]), strict=True):
                    if isinstance(found, UserError):
                        lost[key] = found
                    else:
                        images[key] = found
                self._encode(images, features)
        return lost

    def _encode(self, images: dict[Hashable, Image | Clip], features: dict[Hashable, Tensor]) -> None:
        """Put the visual tokens of images into ``features``."""
        if images:
            read = [key.instruction for key in images if isinstance(key, Instructed)]
            tokens = encode_images(self.model, list(images.values()), read or None)
            features.update(zip(images, tokens, strict=True))

    @contextmanager
    def noting(self, index: int) -> Iterator[None]:
        """Keep a request's error in ``failures``, where that is given."""
        try:
            yield
        except UserError as error:
            if self.failures is None:
                raise
            self.failures[index] = error


def trunks(sources: Sequence[Source], window: Window, batch_size: int) -> Iterator[Trunk]:
    """Sources behind the prefixes that they share."""
    prompts = [Prompt(source.ids, window[source.index], source.tail) for source in sources]
    for group in plan(prompts, batch_size):
        yield Trunk(tuple(sources[member] for member in group.members), group.prefix)


def name_of(request: Request, index: int) -> str:
    """What to call a request in messages."""
    return request.id or f"request {index}"


def _opened(source: ImageSource) -> Image | Clip | UserError:
    try:
        return open_image(source)
    except UserError as error:
        return error


def _draws(settings: Settings, index: int, count: int) -> tuple[float, ...] | None:
    """Random numbers of the request at ``index``, the same whatever is generated beside it."""
    if settings.temperature == 0:
        return None
    # Neighbouring seeds and neighbouring requests must not share a sequence.
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + index)
    return tuple(torch.rand(count, generator=generator).tolist())
