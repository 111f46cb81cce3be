"""Builders that turn annotated images into training and evaluation data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmtune.errors import UserError

# name -> "module:function"; a module is imported only when its builder is used.
BUILDERS: dict[str, str] = {
    "miniworld": "data_builders.miniworld.dataset:build",
    "photos": "data_builders.photos.album:build",
}


def get_builder(name: str) -> Callable[..., Any]:
    """The builder of this name.

    Raises:
        UserError: if there is none.
    """
    import importlib

    if name not in BUILDERS:
        raise UserError(f"unknown builder {name!r}", fix=f"use one of {', '.join(BUILDERS)}")
    module, function = BUILDERS[name].split(":")
    return getattr(importlib.import_module(module), function)
