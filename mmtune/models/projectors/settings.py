"""A projector's own settings: the dictionary of a recipe checked against the projector's dataclass."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar, get_type_hints

from mmtune.errors import UserError

KEY = "model.projector.settings"
"""Where the settings stand in a recipe."""

S = TypeVar("S")


@dataclass(frozen=True)
class NoSettings:
    """For a projector that has none."""


def read_settings(cls: type[S], given: Mapping[str, Any]) -> S:
    """Settings of a projector, with its defaults for what is not given.

    Args:
        cls: the projector's dataclass; its fields are whole numbers of 1 or more, numbers, or mappings.
        given: what the recipe says.

    Raises:
        UserError: for an unknown setting (named with the nearest one) or one of another type or below 1.
    """
    hints = get_type_hints(cls)
    known = [item.name for item in fields(cls)]  # type: ignore[arg-type]
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            valid = f"valid here: {', '.join(known)}" if known else "this projector has no settings"
            raise UserError(
                f"unknown setting {name!r}", KEY, f"did you mean {near[0]!r}? {valid}" if near else valid
            )
        _check(name, value, hints[name])
    return cls(**given)


def _check(name: str, value: Any, hint: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        if not (number and isinstance(value, int) and value >= 1):
            raise UserError(f"{name} must be a whole number of 1 or more, not {value!r}", f"{KEY}.{name}")
    elif hint is float:
        if not number:
            raise UserError(f"{name} must be a number, not {value!r}", f"{KEY}.{name}")
    elif not isinstance(value, dict):
        raise UserError(f"{name} must be a mapping of settings, not {value!r}", f"{KEY}.{name}")
