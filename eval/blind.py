"""Why a figure stands without the blind baseline beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.tasks import Item

Table = Mapping[str, Mapping[str, Any]]


def blind_lacking(
    items: Sequence[Item], metrics: Table, blind: Table | None, answered: int, failures: Mapping[str, str]
) -> dict[str, str]:
    """Metric → why it has no blind value, for those that have a value of their own.

    Args:
        items: those that the run asked.
        metrics: of the answers about the items' own images.
        blind: of those about other images; None where nothing was asked about other images.
        answered: how many of these there are.
        failures: of those that failed, the reasons.
    """
    if blind is None:
        return {}
    images = {image for item in items for image in item.images}
    if not images:
        reason = "its questions show no image"
    elif not answered and failures:
        first = next(iter(failures.values())).rstrip(".")
        reason = f"none of the questions about other images was answered: {first}"
    elif not answered:
        reason = "there are too few other images to ask about"
    else:
        reason = (
            f"the answers about other images ({answered:,}) do not define it: it takes answers of another"
            " kind, or all answers of a group (rotations, pairs)"
        )
    return {
        name: reason
        for name, found in metrics.items()
        if found["value"] is not None and blind.get(name, {}).get("value") is None
    }


def lacking_line(name: str, task: Mapping[str, Any]) -> str:
    """A sentence about a task's primary metric where it has no blind value; "" where there is nothing to
    tell.

    Args:
        name: the task's.
        task: its part of ``metrics.json``; one of an earlier version tells nothing.
    """
    why = task.get("blind_lacking", {}).get(task["primary"])
    return f"{name} has no blind {task['primary']}: {why}" if why else ""
