"""Where this process stands among all that train together, as a launcher tells it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from mmtune.errors import UserError


@dataclass(frozen=True)
class Topology:
    """Rank and number of processes, in all and on this machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1


def read_topology(environment: Mapping[str, str] | None = None) -> Topology:
    """Read what torchrun and deepspeed (``RANK`` …) or SLURM's srun (``SLURM_PROCID`` …) have set.

    Raises:
        UserError: a launcher has set only part of it.
    """
    env = os.environ if environment is None else environment
    if "RANK" in env or int(env.get("WORLD_SIZE", "1")) > 1:
        try:
            rank, world = int(env["RANK"]), int(env["WORLD_SIZE"])
            return Topology(
                rank, world, int(env.get("LOCAL_RANK", "0")), int(env.get("LOCAL_WORLD_SIZE", "1"))
            )
        except (KeyError, ValueError) as error:
            raise UserError(
                f"the launcher's variables are incomplete: {error}",
                "environment",
                "start with torchrun or deepspeed",
            ) from None
    if int(env.get("SLURM_NTASKS", "1")) > 1 and "SLURM_PROCID" in env and "SLURM_STEP_ID" in env:
        local = int(env.get("SLURM_NTASKS_PER_NODE", "1"))
        return Topology(
            int(env["SLURM_PROCID"]), int(env["SLURM_NTASKS"]), int(env.get("SLURM_LOCALID", "0")), local
        )
    return Topology()


def export(topology: Topology) -> None:
    """Set the variables that torch.distributed and deepspeed read, where a launcher has not."""
    os.environ["RANK"] = str(topology.rank)
    os.environ["WORLD_SIZE"] = str(topology.world)
    os.environ["LOCAL_RANK"] = str(topology.local_rank)
    os.environ.setdefault("LOCAL_WORLD_SIZE", str(topology.local_world))
    if topology.world > 1 and "MASTER_ADDR" not in os.environ:
        raise UserError(
            "several processes were started, but MASTER_ADDR is not set",
            "environment",
            "export MASTER_ADDR and MASTER_PORT, or start with torchrun",
        )
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", str(_free_port()) if topology.world == 1 else "29500")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
