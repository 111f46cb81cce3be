"""Engines, one thin file each over torch or DeepSpeed; a recipe or the launcher chooses."""

from __future__ import annotations

import importlib

from mmtune.errors import UserError
from mmtune.train.engines.base import Engine, EngineError
from mmtune.train.engines.topology import read_topology
from mmtune.train.settings import EngineConfig

__all__ = ["ENGINES", "Engine", "EngineError", "make_engine"]

ENGINES: dict[str, str] = {
    "single": "mmtune.train.engines.single:Single",
    "ddp": "mmtune.train.engines.ddp:Ddp",
    "fsdp2": "mmtune.train.engines.fsdp2:Fsdp2",
    "zero1": "mmtune.train.engines.deepspeed_zero:Zero1",
    "zero2": "mmtune.train.engines.deepspeed_zero:Zero2",
    "zero3": "mmtune.train.engines.deepspeed_zero:Zero3",
}
"""Engine by name, as module:class, imported when it is chosen: deepspeed alone takes seconds."""


def make_engine(config: EngineConfig) -> Engine:
    """The engine that the recipe names; ``auto`` is ddp under a launcher and single otherwise.

    Raises:
        UserError: ``single`` was started as several processes, or the engine cannot be imported.
    """
    topology = read_topology()
    name = config.name
    if name == "auto":
        name = "ddp" if topology.world > 1 else "single"
    if name == "single" and topology.world > 1:
        raise UserError(
            f"the engine single was started as {topology.world} processes",
            "engine.name",
            "use ddp, fsdp2 or zero2",
        )
    module_name, _, class_name = ENGINES[name].partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UserError(
            f"the engine {name} cannot be imported: {error}",
            "engine.name",
            "pip install deepspeed, or choose another",
        ) from error
    engine: Engine = getattr(module, class_name)(config, topology)
    return engine
