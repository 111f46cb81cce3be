"""What a comparison can see: the smallest difference that it finds in four of five tries."""

from __future__ import annotations

import math
from statistics import NormalDist

POWER = 0.8


def detectable(null_sd: float, sd: float | None = None, level: float = 0.95, power: float = POWER) -> float:
    """The true difference that a two-sided test at ``1 - level`` finds with probability ``power``.

    Args:
        null_sd: standard deviation of the difference where the models are equal.
        sd: its standard deviation where they are not; by default the same.
        level: one minus the test's level.
        power: how often the difference is to be found.

    Raises:
        ValueError: for a level or power outside 0..1.

    Source: the normal approximation; for two proportions of one sample of items it is Connor's (1987).
    """
    if not 0 < level < 1 or not 0 < power < 1:
        raise ValueError(f"level {level} and power {power} must be between 0 and 1")
    normal = NormalDist()
    return normal.inv_cdf(0.5 + level / 2) * null_sd + normal.inv_cdf(power) * (null_sd if sd is None else sd)


def detectable_alone(se: float, level: float = 0.95, power: float = POWER) -> float:
    """The same before there is a second model: one that answers as many items, with errors that have nothing
    to do with this one's.

    Two models are mostly right on the same items, so that a paired comparison sees smaller differences.

    Args:
        se: standard error of the one score.
        level: as for ``detectable``.
        power: as for ``detectable``.
    """
    return detectable(math.sqrt(2) * se, None, level, power)


def fewest_flips(level: float = 0.95) -> int:
    """Items that must change, all in one direction, before McNemar's exact test at ``1 - level`` sees it: 6
    at 5 %."""
    return max(1, math.ceil(1 - math.log2(1 - level)))


def out_of_reach(difference: float, share: float) -> bool:
    """Whether no other share can differ from ``share`` by so much, so that a detectable difference of that
    size means that this many items would mostly show none; never of what is no share."""
    return 0 <= share <= 1 and difference > max(share, 1 - share) + 1e-12
