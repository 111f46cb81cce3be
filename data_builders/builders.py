"""All builders: what each needs, what it makes, whose idea it is, and how it is run."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from mmtune.errors import unknown


@dataclass(frozen=True, slots=True)
class Built:
    """What a builder wrote.

    Args:
        counts: such as scenes, records and questions.
        problems: how much was left out and why, in a sentence; empty where nothing was.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    problems: str = ""


@dataclass(frozen=True, slots=True)
class Builder:
    """One builder.

    Args:
        name: on the command line and in the meta of its records.
        needs: what it works on, in a few words.
        makes: what comes out, in a few words.
        paper: whose idea it is; empty for one of our own.
        build: takes ``out``, most take ``inputs`` (paths), and keyword settings that the command line
            offers where the function's signature has them; returns something with ``counts``.
    """

    name: str
    needs: str
    makes: str
    paper: str
    build: Callable[..., Any]


ROOMS: tuple[str, ...] = (
    "data_builders.miniworld.builder:BUILDERS",
    "data_builders.photos.builder:BUILDERS",
    "data_builders.programs.builders:BUILDERS",
    "data_builders.prompted.builders:BUILDERS",
    "data_builders.preference.builders:BUILDERS",
)
"""Each room's own dict of builders, as "module:name"; read when one is looked for, not before."""


@lru_cache(maxsize=1)
def builders() -> dict[str, Builder]:
    """All builders of all rooms, by name.

    Raises:
        ValueError: if two rooms give the same name away.
    """
    found: dict[str, Builder] = {}
    for room in ROOMS:
        module, name = room.split(":")
        for key, builder in getattr(importlib.import_module(module), name).items():
            if key in found:
                raise ValueError(f"two builders are called {key!r}")
            found[key] = builder
    return found


def get_builder(name: str) -> Builder:
    """The builder of this name.

    Raises:
        UserError: if there is none.
    """
    if name not in builders():
        raise unknown("builder", name, builders())
    return builders()[name]
