"""The list of all settings, with type, default and meaning, read off the dataclasses."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any


def describe_settings() -> str:
    """One line for each setting of a recipe, for ``mmtune train --help``."""
    from mmtune.train.settings import Recipe

    rows = list(_rows(Recipe, ""))
    width = min(34, max(len(key) for key, _, _ in rows))
    lines = []
    for key, meaning, default in rows:
        text = f"{meaning} [{default}]"
        wrapped = textwrap.wrap(text, 110 - width - 3) or [""]
        lines += [f"{key:<{width}}  {wrapped[0]}", *(f"{'':<{width}}  {more}" for more in wrapped[1:])]
    return "\n".join(lines)


def _rows(cls: type, prefix: str) -> Iterator[tuple[str, str, str]]:
    from mmtune.train.recipe import dataclass_in, hints_of

    hints, notes = hints_of(cls), _attribute_docs(cls)
    for item in dataclasses.fields(cls):
        inner, many = dataclass_in(hints[item.name])
        if inner:
            yield from _rows(inner, f"{prefix}{item.name}.{'0.' if many else ''}")
        else:
            yield f"{prefix}{item.name}", notes.get(item.name, ""), _default(item)


def _default(item: dataclasses.Field[Any]) -> str:
    if item.default is not dataclasses.MISSING:
        return "null" if item.default is None else str(item.default)
    if item.default_factory is not dataclasses.MISSING:
        return str(item.default_factory())
    return "required"


def _attribute_docs(cls: type) -> dict[str, str]:
    """The text below each attribute of a dataclass."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    notes: dict[str, str] = {}
    for node, following in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            notes[node.target.id] = " ".join(str(following.value.value).split())
    return notes
