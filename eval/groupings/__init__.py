"""Abilities over the results of several benchmarks, one file a grouping; adding one is a file and a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.groupings.base import Grouping, Member, grouped
from mmtune.registry import Registry

GROUPINGS: Registry[Grouping] = Registry(
    "grouping",
    "eval.groupings",
    {
        "lvlm_ehub": "lvlm_ehub:LVLM_EHUB",
        "abilitylens": "abilitylens:ABILITYLENS",
    },
)


def group_results(tasks: Mapping[str, Any]) -> dict[str, Any]:
    """Every grouping that at least one of the run's tasks belongs to; see ``eval.groupings.base.grouped``.

    Args:
        tasks: as under ``tasks`` in ``metrics.json``.
    """
    found = {name: grouped(grouping, tasks) for name, grouping in GROUPINGS.items()}
    return {name: each for name, each in found.items() if each is not None}


__all__ = ["GROUPINGS", "Grouping", "Member", "group_results"]
