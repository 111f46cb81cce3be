"""Which prompts are read together: those about one image behind one copy of what they share."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

SHARED_TOKENS_WORTH = 16
"""A prefix is read once for all its prompts where that saves at least this many positions."""


Window = dict[int, tuple[Hashable, ...]]
"""Image keys of some requests, by the request's index."""


@dataclass(frozen=True)
class Prompt:
    """A tokenised prompt with each image at its full number of positions."""

    ids: list[int]
    """``IMAGE_TOKEN_ID`` where a visual token stands."""
    keys: tuple[Hashable, ...] = ()
    """Names of its images, in order."""
    tail: int = 1
    """Tokens at its end that must stay behind what is shared, since their logits are wanted."""


@dataclass(frozen=True)
class Group:
    """Prompts that begin alike, or one prompt alone."""

    members: tuple[int, ...]
    """Places of the prompts."""
    prefix: int = 0
    """Tokens that all of them begin with, which are read once; 0 for a prompt alone."""


def common_prefix(rows: Sequence[list[int]]) -> int:
    """Length of the longest start that all rows share."""
    low, high = min(rows), max(rows)  # all others lie between these two
    for place, (a, b) in enumerate(zip(low, high, strict=False)):
        if a != b:
            return place
    return min(len(low), len(high))


def windows(keys: Window, size: int) -> Iterator[Window]:
    """Divide requests into windows of about ``size``; those with the same images stay together."""
    groups: dict[tuple[Hashable, ...], list[int]] = {}
    for index, names in keys.items():
        groups.setdefault(names, []).append(index)
    window: Window = {}
    for names, members in groups.items():
        for start in range(0, len(members), size):
            part = members[start : start + size]
            if window and len(window) + len(part) > size:
                yield window
                window = {}
            window |= dict.fromkeys(part, names)
    if window:
        yield window


def plan(prompts: Sequence[Prompt], batch_size: int) -> list[Group]:
    """Put prompts into groups of at most ``batch_size``, each prompt into exactly one.

    Args:
        prompts: in any order.
        batch_size: largest number of prompts that are generated together.

    Returns:
        The groups with the longest prompts first, so that too little memory shows at once.
    """
    alike: dict[tuple[Hashable, ...], list[int]] = {}
    for index, prompt in enumerate(prompts):
        alike.setdefault(prompt.keys, []).append(index)
    groups: list[Group] = []
    for members in alike.values():
        parts = -(-len(members) // batch_size)
        size = -(-len(members) // parts)
        members.sort(key=lambda member: len(prompts[member].ids))
        for start in range(0, len(members), size):
            groups += _group(prompts, members[start : start + size])
    groups.sort(key=lambda group: max(len(prompts[member].ids) for member in group.members), reverse=True)
    return groups


def _group(prompts: Sequence[Prompt], members: list[int]) -> list[Group]:
    """One group behind the members' prefix, or one for each where that saves too little."""
    ids = [prompts[member].ids for member in members]
    # The last tokens must stay in the branch: the logits there are what is asked for.
    prefix = min(common_prefix(ids), *(len(prompts[m].ids) - prompts[m].tail for m in members))
    if prefix * (len(members) - 1) < SHARED_TOKENS_WORTH:
        return [Group((member,)) for member in members]
    return [Group(tuple(members), prefix)]
