"""What an ability is made of, and its accuracy and stability from the results of a run."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Member:
    """A benchmark, or a part of it, that an ability is measured by."""

    benchmark: str
    """Name in ``eval.tasks.TASKS``."""
    metric: str = "accuracy"
    """Goes from 0 to 1, higher is better."""
    breakdown: str | None = None
    kinds: tuple[str, ...] = ()
    """Kinds of ``breakdown`` that belong to it; letter case and a plural's s do not count."""
    chance: float = 0.0
    """What guessing gets."""
    stand_in: bool = False
    """Whether the grouping's authors use another benchmark in its place."""

    @property
    def title(self) -> str:
        """The benchmark with its kinds."""
        return self.of_kinds(self.kinds)

    def of_kinds(self, kinds: Sequence[str]) -> str:
        """The benchmark with some of its kinds."""
        return f"{self.benchmark} ({', '.join(kinds)})" if kinds else self.benchmark


@dataclass(frozen=True)
class Grouping:
    """Abilities by name, each with what measures it here and what its authors use besides."""

    title: str
    abilities: Mapping[str, Sequence[Member]]
    not_here: Mapping[str, Sequence[str]]
    """Ability → benchmarks of the authors that mmtune has no task for."""
    note: str
    """What the figures are and are not."""


def grouped(grouping: Grouping, tasks: Mapping[str, Any]) -> dict[str, Any] | None:
    """Accuracy and stability of each ability.

    ``accuracy`` is the plain mean over the members that the run has. ``stability`` is the standard deviation
    (of a population) of the members' scores after each is freed of guessing, ``(score - chance) / (1 -
    chance)``: lower is steadier, and it takes two members. There are no intervals, since the members differ
    in how their items hang together; each member keeps its own.

    Args:
        grouping: which.
        tasks: as under ``tasks`` in ``metrics.json``.

    Returns:
        ``{"title", "note", "abilities": {name: {"accuracy", "stability", "n", "members": [{"name", "tasks",
        "metric", "value", "n", "chance", "chance_freed", "stand_in", "complete"}], "missing": [names],
        "not_here": [names]}}}``; None where the run has none of its members.
    """
    abilities = {}
    for name, members in grouping.abilities.items():
        there = [(member, found) for member in members if (found := _scores(member, tasks))]
        rows = [row for _, found in there for row in found]
        freed = [row["chance_freed"] for row in rows]
        abilities[name] = {
            "accuracy": statistics.fmean(row["value"] for row in rows) if rows else None,
            "stability": statistics.pstdev(freed) if len(freed) > 1 else None,
            "n": sum(row["n"] for row in rows),
            "members": rows,
            "missing": [m.title for m in members if m not in [member for member, _ in there]],
            "not_here": list(grouping.not_here.get(name, ())),
        }
    if not any(ability["members"] for ability in abilities.values()):
        return None
    return {"title": grouping.title, "note": grouping.note, "abilities": abilities}


def _scores(member: Member, tasks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The member's score in the run: one row, named by the kinds that are there, over all tasks of its
    benchmark (POPE's splits) and all of its kinds, each weighted by its items; none where it was not run or
    is undefined."""
    parts = [
        (name, task, kind, part)
        for name, task in tasks.items()
        if task["benchmark"] == member.benchmark
        for kind, part in _parts(member, task)
        if part.get("value") is not None and part["n"]
    ]
    n = sum(part["n"] for *_, part in parts)
    if not n:
        return []
    value = sum(part["value"] * part["n"] for *_, part in parts) / n
    there = {_plain(kind) for _, _, kind, _ in parts}
    return [
        {
            "name": member.of_kinds([kind for kind in member.kinds if _plain(kind) in there]),
            "tasks": list(dict.fromkeys(name for name, *_ in parts)),
            "metric": member.metric,
            "value": value,
            "n": n,
            "chance": member.chance,
            "chance_freed": (value - member.chance) / (1 - member.chance),
            "stand_in": member.stand_in,
            "complete": all(task["complete"] for _, task, *_ in parts),
        }
    ]


def _parts(member: Member, task: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Kinds that belong to the member, with their scores; of a whole benchmark one without a name."""
    if member.breakdown is None:
        yield "", task["metrics"].get(member.metric, {})
        return
    wanted = {_plain(kind) for kind in member.kinds}
    for kind, part in task["by"].get(member.breakdown, {}).items():
        if _plain(kind) in wanted:
            yield kind, part["metrics"].get(member.metric, {})


def _plain(kind: str) -> str:
    """A kind's name without case, punctuation and plurals: benchmarks and their copies differ in these."""
    words = "".join(letter if letter.isalnum() else " " for letter in kind.lower()).split()
    return " ".join(word.removesuffix("s") for word in words)
