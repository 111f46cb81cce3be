"""Tensor names of one naming and those of this project's parts, both ways, by rules on their beginnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mmtune.errors import UserError

T = TypeVar("T")

Split = dict[str, dict[str, T]]
"""By part, and in it by the name that the tensor has in that part."""


@dataclass(frozen=True)
class Rule:
    """Names that begin with ``foreign`` are those of ``part`` that begin with ``own``."""

    foreign: str
    part: str
    own: str


def split(tensors: Mapping[str, T], rules: Sequence[Rule]) -> tuple[Split[T], list[str]]:
    """Sort the tensors of another naming into parts.

    Args:
        tensors: by their foreign names.
        rules: the longest ``foreign`` that a name begins with decides.

    Returns:
        The tensors by part and own name, and the names that no rule is for.

    Raises:
        UserError: if two names mean the same tensor.
    """
    ordered = sorted(rules, key=lambda rule: len(rule.foreign), reverse=True)
    parts: Split[T] = {}
    unknown: list[str] = []
    first: dict[tuple[str, str], str] = {}
    for name, tensor in tensors.items():
        rule = next((rule for rule in ordered if name.startswith(rule.foreign)), None)
        if rule is None:
            unknown.append(name)
            continue
        own = rule.own + name[len(rule.foreign) :]
        if (rule.part, own) in first:
            raise UserError(
                f"two tensors are the same one of the {rule.part}: {first[rule.part, own]} and {name}",
                fix="the checkpoint mixes the names of two versions: remove one of them",
            )
        first[rule.part, own] = name
        parts.setdefault(rule.part, {})[own] = tensor
    return parts, unknown


def join(parts: Split[T], rules: Sequence[Rule]) -> dict[str, T]:
    """Name the tensors of parts as another naming does.

    Args:
        parts: tensors by part and own name.
        rules: the longest ``own`` that a name begins with decides, of equal ones the first.

    Raises:
        KeyError: if no rule is for a tensor; its argument is ``part.name``.
    """
    ordered = _by_own(rules)
    named: dict[str, T] = {}
    for part, tensors in parts.items():
        for name, tensor in tensors.items():
            foreign = _foreign(part, name, ordered)
            if foreign is None:
                raise KeyError(f"{part}.{name}")
            named[foreign] = tensor
    return named


def named_as_there(part: str, tensors: Mapping[str, T], rules: Sequence[Rule]) -> dict[str, T]:
    """One part under the names of another naming, for messages: what no rule is for keeps its own name."""
    ordered = _by_own(rules)
    return {_foreign(part, name, ordered) or name: tensor for name, tensor in tensors.items()}


def _by_own(rules: Sequence[Rule]) -> list[Rule]:
    return sorted(rules, key=lambda rule: len(rule.own), reverse=True)


def _foreign(part: str, name: str, ordered: Sequence[Rule]) -> str | None:
    rule = next((r for r in ordered if r.part == part and name.startswith(r.own)), None)
    return None if rule is None else rule.foreign + name[len(rule.own) :]


def in_use(names: Iterable[str], rules: Sequence[Rule], otherwise: Sequence[Rule]) -> list[Rule]:
    """Those of several namings' rules that the names are by; behind them the rules of one for the rest.

    Args:
        names: of a checkpoint.
        rules: of all the namings that it may have.
        otherwise: of the likeliest one, for tensors that are not there.
    """
    ordered = sorted(rules, key=lambda rule: len(rule.foreign), reverse=True)
    found = {next((rule for rule in ordered if name.startswith(rule.foreign)), None) for name in names}
    used = [rule for rule in rules if rule in found]
    return used + [rule for rule in otherwise if rule not in used]


def share(names: Iterable[str], rules: Sequence[Rule]) -> float:
    """How many of the names some rule is for, 0 to 1: which naming a checkpoint has."""
    listed = list(names)
    known = sum(any(name.startswith(rule.foreign) for rule in rules) for name in listed)
    return known / len(listed) if listed else 0.0
