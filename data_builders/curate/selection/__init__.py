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
    makes: str
    """What it chooses."""
    paper: str
    """Whose idea it is; empty where it is common practice."""


SELECTORS: dict[str, Selector] = {
    "random": Selector("random", "nothing", "rows at random, the baseline", ""),
    "top_k": Selector("top_k", "a score (--by)", "the rows that score best", ""),
    "deita": Selector(
        "deita",
        "two scores (--quality, --complexity), vectors (--features)",
        "good and hard rows that are far from those chosen before",
        "DEITA, arXiv 2312.15685",
    ),
    "k_means": Selector(
        "k_means",
        "vectors, maybe a score (--by)",
        "a share of every cluster",
        "Diversify and Conquer, arXiv 2409.11378",
    ),
    "k_center": Selector(
        "k_center", "vectors", "the row that is farthest from those chosen", "core sets, arXiv 1708.00489"
    ),
    "facility_location": Selector(
        "facility_location",
        "vectors",
        "rows that all others are near to",
        "submodular selection, Nemhauser et al. 1978",
    ),
    "less": Selector(
        "less",
        "gradients, and those of --targets",
        "rows that move the model towards the targets",
        "LESS, arXiv 2402.04333",
    ),
    "rds": Selector(
        "rds",
        "hidden states, and those of --targets",
        "the nearest rows of each target in turn",
        "RDS+, arXiv 2503.01807",
    ),
    "d3": Selector(
        "d3",
        "two scores (--quality, --complexity), vectors",
        "diverse, difficult and dependable rows",
        "D3, arXiv 2503.11441",
    ),
    "linear_rule": Selector(
        "linear_rule",
        "scores with --weight",
        "the best by a weighted sum of scores",
        "InstructMining, arXiv 2307.06290",
    ),
    "self_judge": Selector(
        "self_judge",
        "a score of some rows (--by), vectors",
        "the best of every cluster by ratings that are predicted from a few",
        "Self-Judge, arXiv 2409.00935",
    ),
    "align2llava": Selector(
        "align2llava",
        "rewards of questions (--complexity) and answers (--quality)",
        "the best answers of the best questions; `mmtune data restyle` does the rewriting",
        "Align2LLaVA, arXiv 2409.18541",
    ),
}
"""Each selector with what it needs and where it comes from."""


def select(name: str, pool: Pool, count: int, seed: int = 0, settings: Settings | None = None) -> list[int]:
    """Places of the chosen rows, the first chosen first, each once.

    Args:
        name: a key of ``SELECTORS``.
        pool: the rows.
        count: how many.
        seed: of whatever is random in it; any whole number.
        settings: which scores and features it reads.

    Raises:
        UserError: there is no such selector, a score or feature is missing, or the pool is too small.
    """
    if name not in SELECTORS:
        raise unknown("selector", name, SELECTORS, "--selector")
    if not 1 <= count <= pool.size:
        raise UserError(f"{count} of {pool.size} rows cannot be chosen", fix=f"choose 1 to {pool.size}")
    module = importlib.import_module(f"{__name__}.{SELECTORS[name].module}")
    chosen: list[int] = module.choose(pool, count, seed & 0xFFFFFFFF, settings or Settings())
    if len(chosen) != count or len(set(chosen)) != count:
        raise AssertionError(f"selector {name} chose {len(set(chosen))} of {count} rows")
    return chosen


__all__ = ["SELECTORS", "Pool", "Selector", "Settings", "select"]
