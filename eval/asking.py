"""Which questions go to the model: each pair of image and prompt once, whoever waits for the answer."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from eval.tasks import Item, Task

How = Literal["generate", "next_token", "likelihood"]
YES_NO_TASKS: Mapping[str, tuple[str, ...]] = {"pope": ("Yes", "No")}
"""Options of tasks whose protocol asks for yes or no, and whose class does not tell them itself."""
HOWS: tuple[How, ...] = ("generate", "next_token", "likelihood")


@dataclass(frozen=True)
class Ask:
    """One question to the model."""

    root: str
    image: str
    """Path relative to ``root``."""
    text: str
    max_new_tokens: int
    how: How = "generate"
    """``generate`` an answer, or let the model choose between ``options``: by their first tokens after one
    pass over the question (``next_token``), or by the likelihood of all their tokens (``likelihood``)."""
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Waiting:
    """An item that waits for an answer."""

    task: str
    item: Item
    shown: str
    """The image that the model sees: the item's own, or another's where it is blind."""
    blind: bool


def plan_asks(
    tasks: Mapping[str, Task],
    items: Mapping[str, Sequence[Item]],
    blind: bool,
    seed: int,
    how: How = "generate",
) -> dict[Ask, list[Waiting]]:
    """Every question to be asked, with who waits for it, ordered so that one image's questions stand
    together.

    The blind baseline asks each item's question about another item's image. Where that question is asked
    about that image anyway (descriptions ask the same of every image) the answer serves both.

    Args:
        tasks: name → task.
        items: of each task.
        blind: whether there is a blind baseline.
        seed: of the blind shuffle.
        how: how items with options are answered; those without are always generated.
    """
    asks: dict[Ask, list[Waiting]] = {}
    for name, task in tasks.items():
        other = derange([item.image for item in items[name]], seed) if blind else {}
        for item in items[name]:
            for shown, unseen in ((item.image, False), (other.get(item.image), True)):
                if shown is not None:
                    ask = Ask(str(task.images), shown, task.prompt(item), task.max_new_tokens)
                    ask = decided(ask, task, item, how)
                    asks.setdefault(ask, []).append(Waiting(name, item, shown, unseen))
    images: dict[tuple[str, str], int] = {}
    for ask in asks:
        images.setdefault((ask.root, ask.image), len(images))
    return {ask: asks[ask] for ask in sorted(asks, key=lambda a: images[(a.root, a.image)])}


def decided(ask: Ask, task: Task, item: Item, how: How) -> Ask:
    """The ask with the item's options, where it has some and they are to be chosen from.

    A task tells an item's options by a method ``options(item)``, and how they are ranked where its protocol
    ranks them by an attribute ``decided_by``, which goes before what the user asks for.
    """
    find = getattr(task, "options", None)
    options = tuple(find(item) or ()) if find is not None else YES_NO_TASKS.get(task.config.task, ())
    how = getattr(task, "decided_by", None) or how
    return replace(ask, how=how, options=options) if options and how != "generate" else ask


def derange(images: Iterable[str], seed: int) -> dict[str, str]:
    """For each image another one, never itself: one random cycle through all of them.

    Empty where there are fewer than two images.
    """
    cycle = list(dict.fromkeys(images))
    if len(cycle) < 2:
        return {}
    random.Random(seed).shuffle(cycle)
    return dict(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
