"""Which prompts run together: rows of like length, and rows that share a prefix behind one copy of it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

SHARED_TOKENS_WORTH = 16
"""A prefix is computed once and copied where that saves at least this many positions."""


Window = dict[int, tuple[Hashable, ...]]
"""Image keys of some requests, by the request's index."""


@dataclass(frozen=True)
class Prompt:
    """A tokenised prompt with each image at its full number of positions."""

    ids: list[int]
    """``IMAGE_TOKEN_ID`` where a visual token stands."""
    keys: tuple[Hashable, ...] = ()
    """Names of its images, in order."""


@dataclass(frozen=True)
class Batch:
    """Rows for one pass. Either every row stands behind a shared prefix, or none does."""

    rows: list[int] = field(default_factory=list)
    """Prompt of each row."""
    prefix_of_row: list[int] = field(default_factory=list)
    """Place of the row's prefix in ``owners``; empty if nothing is shared."""
    owners: list[int] = field(default_factory=list)
    """For each distinct prefix a prompt that starts with it."""
    prefix_lengths: list[int] = field(default_factory=list)
    """Tokens of each distinct prefix."""

    def start(self, row: int) -> int:
        """First position of row ``row`` that its prefix does not cover."""
        return self.prefix_lengths[self.prefix_of_row[row]] if self.prefix_of_row else 0


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


def plan(prompts: Sequence[Prompt], batch_size: int, *, uniform: bool = False) -> list[Batch]:
    """Divide prompts into batches of at most ``batch_size`` rows, each prompt in exactly one.

    Args:
        prompts: in any order.
        batch_size: largest number of rows.
        uniform: let only rows of one length (and one prefix length) run together, so that no row is padded.
    """
    groups: dict[tuple[Hashable, ...], list[int]] = {}
    for index, prompt in enumerate(prompts):
        groups.setdefault(prompt.keys, []).append(index)
    single: list[int] = []
    shared: list[tuple[int, int, list[int]]] = []  # (prefix length, longest suffix, members)
    for members in groups.values():
        lengths = [len(prompts[member].ids) for member in members]
        # The last token must stay in the suffix: its logits choose the first new token.
        prefix = min(common_prefix([prompts[member].ids for member in members]), min(lengths) - 1)
        if prefix * (len(members) - 1) < SHARED_TOKENS_WORTH:
            single += members
            continue
        members.sort(key=lambda member: len(prompts[member].ids))
        for part in _split(members, [len(prompts[m].ids) for m in members], batch_size, uniform):
            shared.append((prefix, len(prompts[part[-1]].ids) - prefix, part))
    batches = list(_shared_batches(sorted(shared), batch_size, uniform))
    single.sort(key=lambda member: len(prompts[member].ids))
    for part in _split(single, [len(prompts[m].ids) for m in single], batch_size, uniform):
        batches.append(Batch(rows=part))
    return batches


def _split(members: list[int], lengths: list[int], size: int, uniform: bool) -> Iterator[list[int]]:
    """Cut sorted members into parts of at most ``size``, and where the length changes if ``uniform``."""
    part: list[int] = []
    for place, member in enumerate(members):
        if part and (len(part) == size or (uniform and lengths[place] != lengths[place - 1])):
            yield part
            part = []
        part.append(member)
    if part:
        yield part


def _shared_batches(
    groups: list[tuple[int, int, list[int]]], batch_size: int, uniform: bool
) -> Iterator[Batch]:
    """Put groups, sorted by their lengths, into batches; a group stays whole."""
    batch = Batch()
    last: tuple[int, int] | None = None
    for prefix, suffix, members in groups:
        full = len(batch.rows) + len(members) > batch_size
        if batch.rows and (full or (uniform and last != (prefix, suffix))):
            yield batch
            batch = Batch()
        batch.rows.extend(members)
        batch.prefix_of_row.extend([len(batch.owners)] * len(members))
        batch.owners.append(members[0])
        batch.prefix_lengths.append(prefix)
        last = (prefix, suffix)
    if batch.rows:
        yield batch
