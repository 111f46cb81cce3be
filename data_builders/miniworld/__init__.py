"""A small world that needs no download: scenes of shapes, words and real handwriting with exact truth."""

from __future__ import annotations

from typing import Any

_HOMES = {"build": "dataset", "World": "world", "WorldSettings": "world"}

__all__ = ["World", "WorldSettings", "build"]


def __getattr__(name: str) -> Any:
    """Import what is public only when it is used."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
