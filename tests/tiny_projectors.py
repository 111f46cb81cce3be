"""Every projector in a size for tests; one that is not named here is taken with its defaults."""

from __future__ import annotations

from typing import Any

from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors import PROJECTORS

_QFORMER = {"queries": 6, "layers": 3, "width": 48, "heads": 4, "cross_every": 2}
_SETTINGS: dict[str, dict[str, Any]] = {
    "pool": {"tokens": 4},
    "resampler": {"queries": 5, "layers": 2, "heads": 4},
    "qformer": _QFORMER,
    "instruct_qformer": _QFORMER,
    "grounded_qformer": {**_QFORMER, "depth": 0.5},
    "c_abstractor": {"tokens": 4, "blocks": 1, "width": 48},
    "d_abstractor": {"tokens": 9, "layers": 2, "width": 48, "heads": 4, "points": 2},
    "dynamic_mlp": {"bottleneck": 4, "guidance": 8},
    "keep_and_merge": {"of": {"name": "mlp"}, "keep": 6, "merge": 3},
}

NAMES = sorted(PROJECTORS)
READERS = ("grounded_qformer", "instruct_qformer")
"""Projectors that read the instruction."""


def tiny_projector(name: str, **changes: Any) -> ProjectorConfig:
    """A projector's configuration in a size for tests; ``changes`` are settings of its own."""
    return ProjectorConfig(name, settings={**_SETTINGS.get(name, {}), **changes})
