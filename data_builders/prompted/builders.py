"""The prompted builders as builders."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from data_builders.builders import Builder
from data_builders.prompted import PROMPTED
from data_builders.prompted.base import PromptedBuilder
from data_builders.prompted.launching import launch


def as_builders(rooms: Iterable[PromptedBuilder]) -> dict[str, Builder]:
    """Each as one that the command line can list and run."""
    return {
        one.name: Builder(one.name, one.needs, one.makes, one.paper, partial(launch, one)) for one in rooms
    }


BUILDERS: dict[str, Builder] = as_builders(PROMPTED.values())
