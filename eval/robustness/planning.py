"""Which further questions the robustness checks ask, and who waits for their answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eval.asking import Ask, Waiting, ask_of, by_image
from eval.collecting import Altered
from eval.options import How
from eval.robustness.base import Case, Kind
from eval.tasks import Item, Task
from mmtune.errors import UserError

log = logging.getLogger(__name__)


@dataclass
class Planned:
    """The conditions of a run."""

    kinds: Sequence[Kind]
    asks: dict[Ask, list[Waiting]]
    """The benchmark's own and the conditions', those about one image together."""
    altered: Altered
    notes: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)
    """Name of a task under a condition → item → what the check noted."""
    lacking: dict[tuple[str, str], str] = field(default_factory=dict)
    """(task, check) → why it asks nothing there."""


def refuse_inapplicable(
    kinds: Sequence[Kind], tasks: Mapping[str, Task], items: Mapping[str, Sequence[Item]], how: How
) -> None:
    """Stop a run that wants a check which applies to no item of any task, before a model is loaded for it.

    Raises:
        UserError: naming what the check would need.
    """
    for kind in kinds:
        conditions = kind.conditions()
        cases = (
            Case(task, item, ask_of(task, item, item.images, how), item.images, how)
            for name, task in tasks.items()
            for item in items[name]
        )
        if not any(kind.vary(case, condition) for case in cases for condition in conditions):
            raise UserError(
                f"The robustness check {kind.name} applies to nothing here: {' and '.join(tasks)}"
                f" {'have' if len(tasks) > 1 else 'has'} no {kind.applies_to}",
                "--robust",
                "leave it out, or name a task that it applies to",
            )


def plan_conditions(
    kinds: Sequence[Kind],
    tasks: Mapping[str, Task],
    asks: Mapping[Ask, Sequence[Waiting]],
    how: How,
) -> Planned:
    """Ask the items again under every condition that applies to them.

    Questions that are the same under two conditions, or in the clean run, are asked once.

    Args:
        kinds: the checks.
        tasks: name → task.
        asks: the benchmark's own, with who waits for them.
        how: how items with options are answered.
    """
    cases: dict[str, list[Case]] = {name: [] for name in tasks}
    for ask, waiting in asks.items():
        for one in waiting:
            if not one.blind:
                cases[one.task].append(Case(tasks[one.task], one.item, ask, one.shown, how))
    merged = {ask: list(waiting) for ask, waiting in asks.items()}
    planned = Planned(kinds, {}, Altered({}, {}))
    altered_tasks: dict[str, Task] = {}
    altered_items: dict[str, list[Item]] = {}
    for kind in kinds:
        for name, task in tasks.items():
            before = len(planned.notes)
            for condition in kind.conditions():
                table = table_of(name, condition)
                notes: dict[str, Mapping[str, Any]] = {}
                items = []
                for case in cases[name]:
                    variant = kind.vary(case, condition)
                    if variant is None:
                        continue
                    row = {"condition": condition, "asked": variant.ask.text, **variant.note}
                    waiting_one = Waiting(table, variant.item, case.shown, False, row)
                    merged.setdefault(variant.ask, []).append(waiting_one)
                    notes[case.item.id] = variant.note
                    items.append(variant.item)
                if items:
                    planned.notes[table] = notes
                    altered_tasks[table], altered_items[table] = task, items
            if len(planned.notes) == before:
                planned.lacking[name, kind.name] = f"{name} has no {kind.applies_to}"
    for (_, check), why in planned.lacking.items():
        log.warning("robustness check %s: %s", check, why)
    planned.asks = by_image(merged)
    planned.altered = Altered(altered_tasks, altered_items)
    return planned


def table_of(task: str, condition: str) -> str:
    """What a task is called under a condition, where answers are kept."""
    return f"{task} {condition}"
