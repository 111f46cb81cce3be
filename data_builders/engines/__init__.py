"""Where builder functions run: in this process, on all cores, or on a Ray cluster, with the same output."""

from __future__ import annotations

import importlib

from data_builders.engines.base import Engine
from mmtune.errors import UserError, unknown

ENGINES: dict[str, str] = {
    "local": "data_builders.engines.local:Local",
    "processes": "data_builders.engines.processes:Processes",
    "ray": "data_builders.engines.ray_data:RayData",
}
"""Name -> "module:class"; a module is imported only when its engine is used."""


def get_engine(name: str | None, workers: int = 1) -> Engine:
    """The engine of this name.

    Args:
        name: a key of ``ENGINES``; None is ``processes`` for several workers, else ``local``.
        workers: processes; ``local`` has one whatever it says.

    Raises:
        UserError: if there is none, the number is below 1, or what it needs is not installed.
    """
    if name is None:
        name = "processes" if workers > 1 else "local"
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES, "--engine")
    if workers < 1:
        raise UserError(f"the number of workers is {workers}", "--workers", "give at least 1")
    module, of_engine = ENGINES[name].split(":")
    engine: Engine = getattr(importlib.import_module(module), of_engine)(workers)
    return engine


__all__ = ["ENGINES", "Engine", "get_engine"]
