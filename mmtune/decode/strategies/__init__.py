"""Strategies: how the next token is chosen from the logits; one file each."""

from __future__ import annotations

from collections.abc import Callable

from mmtune.decode.requests import Settings
from mmtune.decode.strategies.base import Step, Strategy
from mmtune.decode.strategies.greedy import Greedy
from mmtune.decode.strategies.sampling import Sampling
from mmtune.errors import unknown

STRATEGIES: dict[str, Callable[[Settings], Strategy]] = {"greedy": Greedy, "sampling": Sampling}
"""Each name and what makes the strategy from the settings."""


def get_strategy(settings: Settings) -> Strategy:
    """The strategy that the settings name, or imply by their temperature.

    Raises:
        UserError: for a name that is not there, with the nearest one that is.
    """
    name = settings.strategy or ("greedy" if settings.temperature == 0 else "sampling")
    if name not in STRATEGIES:
        raise unknown("decoding strategy", name, STRATEGIES)
    return STRATEGIES[name](settings)


__all__ = ["STRATEGIES", "Step", "Strategy", "get_strategy"]
