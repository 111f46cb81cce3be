"""Abilities over several benchmarks, in the words of the page and the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eval.report.numbers import number, title


@dataclass(frozen=True)
class AbilityRow:
    """An ability as a row of a table."""

    name: str
    accuracy: str
    stability: str
    n: int
    rests_on: tuple[str, ...]
    """Its benchmarks with their scores, and which of them are stand-ins or not whole."""
    missing: tuple[str, ...]
    """Benchmarks that the run did not ask, or that there is no task for."""


@dataclass(frozen=True)
class GroupingView:
    """A grouping as a table."""

    title: str
    note: str
    rows: tuple[AbilityRow, ...]


def view_groupings(results: Mapping[str, Any]) -> tuple[GroupingView, ...]:
    """The groupings that a run has members of.

    Args:
        results: as in ``metrics.json``; those of earlier versions have none.
    """
    return tuple(
        GroupingView(
            one["title"],
            one["note"],
            tuple(_row(name, ability) for name, ability in one["abilities"].items()),
        )
        for one in results.get("groupings", {}).values()
    )


def _row(name: str, ability: Mapping[str, Any]) -> AbilityRow:
    return AbilityRow(
        name,
        number(ability["accuracy"]),
        number(ability["stability"]),
        ability["n"],
        tuple(_member(row) for row in ability["members"]),
        (*map(_named, ability["missing"]), *(f"{one} (no task)" for one in ability["not_here"])),
    )


def _named(member: str) -> str:
    """A member with its benchmark's name as that writes it; its kinds are the benchmark's own."""
    task, space, kinds = member.partition(" ")
    return title(task) + space + kinds


def _member(row: Mapping[str, Any]) -> str:
    said = f"{_named(row['name'])} {number(row['value'])}"
    said += " as a stand-in" if row["stand_in"] else ""
    return said if row["complete"] else f"{said}, over a part of its items"
