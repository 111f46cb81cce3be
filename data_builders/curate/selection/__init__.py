"""Ways to choose rows, one file each; adding one is a new file and a line here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from data_builders.curate.selection.base import Pool, Settings
from mmtune.errors import UserError, unknown


@dataclass(frozen=True)
class Selector:
    """One way to choose rows."""

    module: str
    """In this folder; imported when it is used."""
    needs: str
    """Scores and features that it reads."""
    source: str


SELECTORS: dict[str, Selector] = {
    "random": Selector("random", "nothing", "the baseline"),
    "top_k": Selector("top_k", "a score", "the k best"),
    "deita": Selector("deita", "two scores, features", "DEITA"),
    "k_means": Selector("k_means", "features, maybe a score", "Diversify and Conquer"),
    "k_center": Selector("k_center", "features", "core-set selection"),
    "facility_location": Selector("facility_location", "features", "submodular selection"),
    "less": Selector("less", "gradients, targets", "LESS"),
    "rds": Selector("rds", "hidden states, targets", "RDS+"),
    "d3": Selector("d3", "two scores, features", "D3"),
    "linear_rule": Selector("linear_rule", "scores and their weights", "InstructMining"),
    "self_judge": Selector("self_judge", "a score of some rows, features", "Self-Judge"),
}
"""Each selector with what it needs and where it comes from."""


def select(name: str, pool: Pool, count: int, seed: int = 0, settings: Settings | None = None) -> list[int]:
    """Places of the chosen rows, the first chosen first, each once.

    Args:
        name: a key of ``SELECTORS``.
        pool: the rows.
        count: how many.
        seed: of whatever is random in it.
        settings: which scores and features it reads.

    Raises:
        UserError: there is no such selector, a score or feature is missing, or the pool is too small.
    """
    if name not in SELECTORS:
        raise unknown("selector", name, SELECTORS, "--selector")
    if not 1 <= count <= pool.size:
        raise UserError(f"{count} of {pool.size} rows cannot be chosen", fix=f"choose 1 to {pool.size}")
    module = importlib.import_module(f"{__name__}.{SELECTORS[name].module}")
    chosen: list[int] = module.choose(pool, count, seed, settings or Settings())
    if len(chosen) != count or len(set(chosen)) != count:
        raise AssertionError(f"selector {name} chose {len(set(chosen))} of {count} rows")
    return chosen


__all__ = ["SELECTORS", "Pool", "Selector", "Settings", "select"]
