"""Which questions go to the model: each pair of image and prompt once, whoever waits for the answer."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eval.options import How, options_of
from eval.tasks import Item, Task
from eval.tasks.base import all_images


@dataclass(frozen=True)
class Ask:
    """One question to the model."""

    root: str
    image: str
    """Path relative to ``root``, of the first of several; empty where the question has none."""
    text: str
    max_new_tokens: int
    how: How = "generate"
    options: tuple[str, ...] = ()
    """What the model chooses between, where the answer is not generated."""
    meanings: tuple[str, ...] = ()
    """The answer that each of ``options`` stands for."""
    images: tuple[str, ...] = ()
    """All images in the order of their places; by default ``image`` alone, or none."""
    history: tuple[tuple[str, str], ...] = ()
    """Earlier turns, each what the user said and what was answered."""
    alteration: str = ""
    """How the image is altered before the model sees it, as ``jpeg:10``; see
    ``eval.robustness.alterations``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", all_images(self.image, self.images))


@dataclass(frozen=True)
class Waiting:
    """An item that waits for an answer."""

    task: str
    item: Item
    shown: tuple[str, ...]
    """The images that the model sees: the item's own, or another's where it is blind."""
    blind: bool
    note: Mapping[str, Any] = field(default_factory=dict)
    """What its row says of the condition that it is asked under; see ``eval.robustness``."""


def plan_asks(
    tasks: Mapping[str, Task],
    items: Mapping[str, Sequence[Item]],
    blind: bool,
    seed: int,
    how: How = "generate",
) -> dict[Ask, list[Waiting]]:
    """Every question to be asked, with who waits for it, ordered so that one image's questions stand
    together.

    The blind baseline asks each item's question about other images of the benchmark. Where that question is
    asked about them anyway (descriptions ask the same of every image) the answer serves both.

    Args:
        tasks: name → task.
        items: of each task.
        blind: whether there is a blind baseline.
        seed: of the blind shuffle.
        how: how items with options are answered; those without are always generated.
    """
    asks: dict[Ask, list[Waiting]] = {}
    for name, task in tasks.items():
        other = derange([image for item in items[name] for image in item.images], seed) if blind else {}
        for item in items[name]:
            waiting = [Waiting(name, item, item.images, False)]
            if blind and (strange := strangers(item.images, other)):
                waiting.append(Waiting(name, item, strange, True))
            for one in waiting:
                asks.setdefault(ask_of(task, item, one.shown, how), []).append(one)
    return by_image(asks)


def by_image(asks: Mapping[Ask, list[Waiting]]) -> dict[Ask, list[Waiting]]:
    """The asks with those about one image together, and among them those that see it altered alike."""
    images: dict[tuple[str, str], int] = {}
    seen: dict[tuple[str, str, str], int] = {}
    for ask in asks:
        images.setdefault((ask.root, ask.image), len(images))
        seen.setdefault((ask.root, ask.image, ask.alteration), len(seen))
    return {
        ask: asks[ask]
        for ask in sorted(asks, key=lambda a: (images[a.root, a.image], seen[a.root, a.image, a.alteration]))
    }


def ask_of(task: Task, item: Item, shown: tuple[str, ...], how: How) -> Ask:
    """How an item is asked, about the images that are shown."""
    # A task whose protocol ranks options itself says so, whatever the user wants of the others.
    how = getattr(task, "decided_by", None) or how
    found = options_of(task, item, how)
    root, length = str(task.images) if shown else "", task.max_new_tokens
    first, told = next(iter(shown), ""), item.history
    if found is None:
        return Ask(root, first, task.prompt(item), length, images=shown, history=told)
    prompt = task.prompt(item) if found.prompt is None else found.prompt
    options, meanings = tuple(found.texts.values()), tuple(found.texts)
    return Ask(root, first, prompt, length, how, options, meanings, shown, told)


def strangers(images: Sequence[str], other: Mapping[str, str]) -> tuple[str, ...]:
    """The images that stand in the places of an item's own in the blind baseline: none of them is one of the
    item's, or is shown for two of them.

    Args:
        images: the item's.
        other: of ``derange``.

    Returns:
        As many images, an image that the item shows twice has one in both places; none where the benchmark
        has too few images, or the item has none.
    """
    found: dict[str, str] = {}
    taken = set(images)
    for image in dict.fromkeys(images):
        next_one = other.get(image, image)
        while next_one in taken and next_one != image:  # the cycle comes back to where it began
            next_one = other[next_one]
        if next_one == image:
            return ()
        taken.add(next_one)
        found[image] = next_one
    return tuple(found[image] for image in images)


def derange(images: Iterable[str], seed: int) -> dict[str, str]:
    """For each image another one, never itself: one random cycle through all of them.

    Empty where there are fewer than two images; a question without an image gets none.
    """
    cycle = list(dict.fromkeys(filter(None, images)))
    if len(cycle) < 2:
        return {}
    random.Random(seed).shuffle(cycle)
    return dict(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
