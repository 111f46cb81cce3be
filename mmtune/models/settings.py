"""The own settings of a projector or an adapter: a recipe's mapping checked against their dataclass."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_type_hints

from mmtune.errors import UserError, unknown

S = TypeVar("S")


def read_settings(cls: type[S], given: Mapping[str, Any], where: str, *, least: int | None = None) -> S:
    """Settings of a projector or an adapter, with the defaults for what is not given.

    Args:
        cls: its dataclass; it may raise ValueError for values that cannot be.
        given: what the recipe or a checkpoint says.
        where: the key that ``given`` stands under, for messages.
        least: below which no setting that is a whole number may lie.

    Raises:
        UserError: for an unknown setting (named with the nearest one), or a value of another type or out of
            range.
    """
    hints = get_type_hints(cls)
    known = [item.name for item in fields(cls)]  # type: ignore[arg-type]
    for name, value in given.items():
        if not known:
            raise UserError(f"unknown setting {name!r}", where, "leave it out: there are no settings here")
        if name not in known:
            raise unknown("setting", name, known, where)
        bounded = hints[name] is int and least is not None
        if not _fits(value, hints[name]) or (bounded and value < least):
            wanted = _words(hints[name]) + (f" of {least} or more" if bounded else "")
            raise UserError(f"{name} must be {wanted}, not {value!r}", f"{where}.{name}")
    try:
        return cls(**given)
    except ValueError as error:
        raise UserError(str(error), where) from None


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin in (list, tuple):
        return isinstance(value, (list, tuple)) and all(_fits(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _words(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(argument) for argument in arguments)
    if origin in (list, tuple):
        return "a list of texts" if arguments[0] is str else f"a list of {_words(arguments[0])}"
    if origin is dict:
        return "a mapping of settings"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return names.get(hint, "null")


def at_least(name: str, value: float, least: float) -> None:
    """Refuse a setting below ``least``.

    Raises:
        ValueError: names setting and value.
    """
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def share(name: str, value: float) -> None:
    """Refuse a setting outside [0, 1).

    Raises:
        ValueError: names setting and value.
    """
    if not 0 <= value < 1:
        raise ValueError(f"{name} must lie in [0, 1), got {value}")
