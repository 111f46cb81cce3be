"""Which questions go to the model: each pair of image and prompt once, whoever waits for the answer."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.tasks import Item, Task
from mmtune.decode.requests import Request
from mmtune.images.decoding import load_image
from mmtune.records import IMAGE_PLACEHOLDER, Turn


@dataclass(frozen=True)
class Ask:
    """One question to the model."""

    root: str
    image: str
    """Path relative to ``root``."""
    text: str
    max_new_tokens: int


@dataclass(frozen=True)
class Waiting:
    """An item that waits for an answer."""

    task: str
    item: Item
    shown: str
    """The image that the model sees: the item's own, or another's where it is blind."""
    blind: bool


def plan_asks(
    tasks: Mapping[str, Task], items: Mapping[str, Sequence[Item]], blind: bool, seed: int
) -> dict[Ask, list[Waiting]]:
    """Every question to be asked, with who waits for it, ordered so that one image's questions stand
    together.

    The blind baseline asks each item's question about another item's image. Where that question is asked
    about that image anyway (descriptions ask the same of every image) the answer serves both.
    """
    asks: dict[Ask, list[Waiting]] = {}
    for name, task in tasks.items():
        other = derange([item.image for item in items[name]], seed) if blind else {}
        for item in items[name]:
            for shown, unseen in ((item.image, False), (other.get(item.image), True)):
                if shown is not None:
                    ask = Ask(str(task.images), shown, task.prompt(item), task.max_new_tokens)
                    asks.setdefault(ask, []).append(Waiting(name, item, shown, unseen))
    images: dict[tuple[str, str], int] = {}
    for ask in asks:
        images.setdefault((ask.root, ask.image), len(images))
    return {ask: asks[ask] for ask in sorted(asks, key=lambda a: images[(a.root, a.image)])}


def derange(images: Iterable[str], seed: int) -> dict[str, str]:
    """For each image another one, never itself: one random cycle through all of them.

    Empty where there are fewer than two images.
    """
    cycle = list(dict.fromkeys(images))
    if len(cycle) < 2:
        return {}
    random.Random(seed).shuffle(cycle)
    return dict(zip(cycle, [*cycle[1:], cycle[0]], strict=True))


def chunks(asks: Iterable[Ask], size: int) -> Iterator[list[Ask]]:
    """Runs of at least ``size`` asks that never divide the questions about one image."""
    chunk: list[Ask] = []
    for ask in asks:
        if len(chunk) >= size and (ask.root, ask.image) != (chunk[-1].root, chunk[-1].image):
            yield chunk
            chunk = []
        chunk.append(ask)
    if chunk:
        yield chunk


def request(ask: Ask) -> Request:
    """The engine's request for an ask: the image first, then the question, as in the LLaVA-1.5 protocol.

    The image is opened when the engine wants it; a chunk's requests name it by one key and share it.
    """
    return Request(
        images=(lambda: load_image(Path(ask.root), ask.image),),
        turns=(Turn("user", f"{IMAGE_PLACEHOLDER}\n{ask.text}"),),
        keys=((ask.root, ask.image),),
        id=f"{ask.image}: {ask.text[:60]}",
    )
