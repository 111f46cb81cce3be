"""A registry as lines of a terminal: a name, what it says, what it needs, whose idea it is."""

from __future__ import annotations

from collections.abc import Iterable

from mmtune.commands.data.arguments import say


def tell(rows: Iterable[tuple[str, str, str, str]]) -> None:
    """Say (name, what, needs, paper) of each row, the names under one another."""
    listed = list(rows)
    width = max(len(name) for name, _, _, _ in listed)
    for name, what, needs, paper in listed:
        say(f"{name:<{width}}  {what}; needs {needs}" + (f" ({paper})" if paper else ""))
