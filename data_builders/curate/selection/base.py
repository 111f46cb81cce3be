"""What a selector sees of the rows: their scores, their features, and those of the questions it aims at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmtune.errors import UserError

Array = NDArray[np.floating[Any]]
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Pool:
    """Rows to choose from.

    Args:
        size: number of rows.
        columns: score -> (size,) numbers, NaN where a row has none.
        features: name -> (size, width) vectors.
        targets: name -> (targets, width) vectors of examples of what is wanted, in the space of the features
            of that name.
        groups: of which task each target is; all of one by default.
    """

    size: int
    columns: Mapping[str, Array] = field(default_factory=dict)
    features: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    targets: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    groups: NDArray[np.int64] | None = None

    def column(self, name: str, option: str = "") -> Array:
        """A score of every row; a row without one counts as the worst.

        Args:
            name: of the score.
            option: of the command line that named it, for the error.

        Raises:
            UserError: there is no such score.
        """
        values = self._named(self.columns, name, "score", option)
        known = values[~np.isnan(values)]
        if not len(known):
            raise UserError(f"no row has the score {name!r}", fix="score the rows again")
        return np.where(np.isnan(values), known.min(), values)

    def unit(self, name: str) -> Array:
        """Features of every row, each of length 1 (or 0 where it has none)."""
        return _unit(self._named(self.features, name, "feature"))

    def unit_targets(self, name: str) -> Array:
        """The targets' features, each of length 1.

        Raises:
            UserError: there are none, or they are no vectors in the space of the rows' features.
        """
        found = np.asarray(self._named(self.targets, name, "target"))
        width = np.asarray(self._named(self.features, name, "feature")).shape[1]
        if not len(found) or found.shape[1] != width:
            raise UserError(
                f"the rows' {name} have {width} numbers each, the {len(found)} targets' {found.shape[1]}",
                "--targets",
                "score both with the same model",
            )
        return _unit(found)

    def _named(self, found: Mapping[str, Any], name: str, what: str, option: str = "") -> Any:
        if name not in found:
            have = f"there are {', '.join(sorted(found))}" if found else "there are none"
            advice = "give examples of what is wanted with --targets"
            if what != "target":
                advice = f"work it out with `mmtune data score`, or name another {what}"
                advice += f" with {option}" if option else ""
            raise UserError(f"the rows have no {what} {name!r} ({have})", fix=advice)
        return found[name]


@dataclass(frozen=True)
class Settings:
    """What a selector may be told; each reads what its ``needs`` names.

    Args:
        by: score that more is better of.
        quality: score of the answers.
        complexity: score of the questions, or their difficulty.
        features: name of the vectors.
        distance: least cosine distance of a row to those chosen before it (DEITA).
        clusters: clusters of the vectors; by default the square root of half of the rows.
        weights: score -> weight of a linear rule.
    """

    by: str = "rating"
    quality: str = "rating"
    complexity: str = "difficulty"
    features: str = "plain"
    distance: float = 0.1
    clusters: int | None = None
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.distance <= 2:
            raise UserError(f"the cosine distance is {self.distance}", "--distance", "give 0 to 2")
        if self.clusters is not None and self.clusters < 1:
            raise UserError(f"there are to be {self.clusters} clusters", "--clusters", "give at least 1")


def ranks(values: Array) -> Array:
    """0..1 by rank, equal values alike: scores on different scales can then be put together."""
    order = np.argsort(values, kind="stable")
    places = np.empty(len(values))
    places[order] = np.arange(len(values))
    _, group = np.unique(values, return_inverse=True)
    means = np.bincount(group, places) / np.bincount(group)
    return means[group] / max(1, len(values) - 1)


def scaled(values: Array) -> Array:
    """0..1 from the least to the greatest; all 1 where the values are equal."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.ones_like(values)


def descending(values: Array) -> list[int]:
    """Places by falling value, of equals the first one first."""
    return [int(place) for place in np.argsort(-values, kind="stable")]


def _unit(vectors: Any) -> Array:
    """Each row of length 1, in float32 and a block at a time: of a million rows every copy counts."""
    unit = np.empty(np.shape(vectors), dtype=np.float32)
    for start in range(0, len(unit), _BLOCK):
        wide = np.array(vectors[start : start + _BLOCK], dtype=np.float64)
        lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
        if not np.isfinite(lengths).all():
            raise UserError("the vectors hold NaN or infinities", fix="score the rows again")
        unit[start : start + _BLOCK] = wide / np.where(lengths > 0, lengths, 1.0)
    return unit
