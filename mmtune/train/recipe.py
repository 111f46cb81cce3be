"""Reading a recipe: YAML, its base, overrides from the command line, and errors that name the key."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from mmtune.errors import UserError
from mmtune.train.settings import Recipe

__all__ = ["Recipe", "load_recipe", "parse_overrides", "plain", "to_yaml"]


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-3 as text; recipes mean the number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe with its ``base`` files and overrides, and check every key and type.

    Args:
        path: YAML file. Its key ``base`` names another recipe, relative to this file, that it changes.
        overrides: ``--optim.lr=1e-3``, ``--optim.lr 1e-3`` (two items) or ``optim.lr=1e-3``; items of a
            list go by number (``--data.train.0.path=x``).

    Raises:
        UserError: an unknown key (named with the nearest valid one), a wrong type, a setting out of range.
    """
    tree = _read_yaml(Path(path), seen=())
    for key, value in parse_overrides(overrides):
        _set(tree, key, value)
    tree = _expand(tree, str(path))
    _check_keys(Recipe, tree, "", str(path))
    return _build(tree, str(path))


def to_yaml(recipe: Recipe) -> str:
    """The whole recipe as YAML that ``load_recipe`` reads back."""
    tree = plain(dataclasses.asdict(recipe))
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def parse_overrides(overrides: Sequence[str]) -> list[tuple[str, Any]]:
    """Pairs of dotted key and YAML value out of command-line words.

    Raises:
        UserError: a word that is no override, or a key without a value.
    """
    pairs: list[tuple[str, Any]] = []
    words = list(overrides)
    while words:
        word = words.pop(0)
        key, equals, value = word.removeprefix("--").partition("=")
        if not equals:
            if not word.startswith("--"):
                raise UserError(f"cannot read {word!r} as a setting", fix="write --part.key value")
            if not words or words[0].startswith("--"):
                raise UserError(f"the setting {word} has no value", fix=f"write {word} VALUE")
            value = words.pop(0)
        pairs.append((key, _yaml_value(value)))
    return pairs


def _yaml_value(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError:
        return text


def _read_yaml(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise UserError("the recipe is its own base", where=str(path), fix="remove the circle of base keys")
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise UserError("there is no recipe at this path", where=str(path), fix="check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the recipe: {error}", where=str(path)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "malformed"
        raise UserError(f"the recipe is not valid YAML: {problem}", where=place) from None
    if not isinstance(tree, dict):
        raise UserError("the recipe is not a YAML mapping of settings", where=str(path))
    base = tree.pop("base", None)
    if base is None:
        return tree
    return _merge(_read_yaml(path.parent / str(base), (*seen, path.resolve())), tree)


def _merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Mappings merge key by key; lists and values are replaced."""
    merged = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _set(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    node: Any = tree
    for step in parents:
        if isinstance(node, list):
            node = node[_index(node, step, dotted)]
        else:
            if not isinstance(node.get(step), (dict, list)):
                node[step] = {}
            node = node[step]
    if isinstance(node, list):
        node[_index(node, last, dotted)] = value
    else:
        node[last] = value


def _index(items: list[Any], step: str, dotted: str) -> int:
    """Position in a list; the position after the last makes a new entry."""
    if step.isdigit() and int(step) == len(items):
        items.append({})
    if not step.isdigit() or int(step) >= len(items):
        raise UserError(
            f"the setting {dotted} has no item {step!r}", where=dotted, fix=f"it has {len(items)} items"
        )
    return int(step)


_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|([A-Za-z_]\w*))")


def _expand(value: Any, where: str) -> Any:
    """Put environment variables (``$DATA``, ``${DATA}``, ``${DATA:-default}``) and ``~`` into every text."""
    if isinstance(value, dict):
        return {key: _expand(item, where) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, where) for item in value]
    if not isinstance(value, str):
        return value

    def lookup(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        if name not in os.environ and match[2] is not None:
            return match[2]
        if name not in os.environ:
            raise UserError(
                f"the recipe uses the environment variable {name}, which is not set",
                where=f"{where}: {value}",
                fix=f"run 'export {name}=...' first",
            )
        return os.environ[name]

    return os.path.expanduser(_VARIABLE.sub(lookup, value))


def hints_of(cls: type) -> dict[str, Any]:
    """The resolved type hints of a dataclass's settings."""
    hints = typing.get_type_hints(cls)
    return {item.name: hints[item.name] for item in dataclasses.fields(cls)}


def dataclass_in(hint: Any) -> tuple[type | None, bool]:
    """The dataclass that a type hint holds, and whether it holds a list of it."""
    if dataclasses.is_dataclass(hint):
        return typing.cast(type, hint), False
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list and dataclasses.is_dataclass(arguments[0]):
        return typing.cast(type, arguments[0]), True
    if origin in (typing.Union, types.UnionType):
        for argument in arguments:
            inner, many = dataclass_in(argument)
            if inner:
                return inner, many
    return None, False


def _check_keys(cls: type, tree: Any, prefix: str, where: str) -> None:
    if not isinstance(tree, dict):
        raise UserError(
            f"the setting {prefix.rstrip('.')} must be a mapping of settings, got {tree!r}", where
        )
    hints = hints_of(cls)
    for key, value in tree.items():
        if key not in hints:
            raise _unknown_key(f"{prefix}{key}", [f"{prefix}{name}" for name in hints], where)
        inner, many = dataclass_in(hints[key])
        if value is None:
            if type(None) not in typing.get_args(hints[key]):
                raise UserError(
                    f"the setting {prefix}{key} has no value", where, "give it one or leave it out"
                )
        elif many and not isinstance(value, list):
            raise UserError(f"the setting {prefix}{key} must be a list, got {value!r}", where)
        elif inner:
            for number, item in enumerate(value if many else [value]):
                _check_keys(inner, item, f"{prefix}{key}.{number}." if many else f"{prefix}{key}.", where)


def _unknown_key(key: str, siblings: list[str], where: str) -> UserError:
    """Name the nearest key: a similar sibling, the same last name elsewhere, or a similar key anywhere."""
    anywhere = _all_keys(Recipe, "")
    near = (
        difflib.get_close_matches(key, siblings, 1, 0.75)
        or [other for other in anywhere if other.split(".")[-1] == key.split(".")[-1]]
        or difflib.get_close_matches(key, siblings + anywhere, 1, 0.75)
    )
    fix = f"did you mean {' or '.join(near[:3])}?" if near else f"valid here: {', '.join(sorted(siblings))}"
    return UserError(f"unknown setting {key}", where, fix.rstrip("?"))


def _all_keys(cls: type, prefix: str) -> list[str]:
    keys: list[str] = []
    for name, hint in hints_of(cls).items():
        inner, many = dataclass_in(hint)
        keys += _all_keys(inner, f"{prefix}{name}.0." if many else f"{prefix}{name}.") if inner else []
        keys.append(f"{prefix}{name}")
    return keys


def _build(tree: dict[str, Any], where: str) -> Recipe:
    """Check types with jsonargparse and build the dataclasses, so that their own checks run."""
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Recipe, None)
    # before 4.49 jsonargparse called it instantiate_classes
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
    try:
        return Recipe(**vars(instantiate(parser.parse_object(tree))))
    except (ArgumentError, TypeError, ValueError) as error:
        # Inside a union or a list the checks of a dataclass come wrapped: in an ArgumentError where types are
        # read, in a ValueError where it is made.
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, UserError):
                raise cause from None
            cause = cause.__cause__ or cause.__context__
        if not isinstance(error, ArgumentError):
            raise
        raise _type_error(str(error), where) from None


def _type_error(message: str, where: str) -> UserError:
    """One sentence out of jsonargparse's report of a value that does not fit its type."""
    flat = " ".join(message.split())
    missing = re.search(r"required: (.+)$", flat)
    if missing:
        return UserError(f"the recipe lacks {missing[1].rstrip('.')}", where, "add it")
    key = re.search(r'key "([\w.]+)"', flat)
    expected = re.findall(r"Expected an? (.+?)(?=\.? Got value|\.? - |\.? Given value|$)", flat)
    value = re.findall(r"(?:Got|Given) value: (.*)$", flat)
    if not (key and expected):
        return UserError(f"a setting of the recipe does not fit: {flat.rstrip('.')}", where)
    kinds = [re.sub(r"<class '([\w.]+)'>", r"\1", kind).replace("typing.", "") for kind in expected]
    kinds = sorted(("null" if kind == "NoneType" else kind for kind in kinds), key="null".__eq__)
    kinds = [re.sub(r"^Literal\[(.*)\]$", r"one of \1", kind).replace("'", "") for kind in kinds]
    got = f", got {value[-1].rstrip('.')}" if value else ""
    return UserError(f"the setting {key[1]} must be {' or '.join(kinds)}{got}", where)


def plain(value: Any) -> Any:
    """Mappings, lists and scalars only, as YAML and JSON hold them."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value
