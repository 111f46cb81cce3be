"""Strict readers of what teachers write; what is not in the form that was asked for is refused whole."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from data_builders.teachers.base import UnusableError

_BLOCK = re.compile(r"Question:\n(.+?)\n===\nAnswer:\n(.+)", re.DOTALL)
_SPLIT = re.compile(r"\n===\n(?=Question:\n)")


def question_blocks(text: str, most: int = 20) -> list[tuple[str, str]]:
    """(question, answer) of blocks ``Question:``, ``===``, ``Answer:`` with ``===`` between them.

    Raises:
        UnusableError: for any other form.

    Source: the format of LLaVA's generated conversations.
    """
    pairs = []
    for block in _SPLIT.split(text.strip().replace("\r\n", "\n")):
        found = _BLOCK.fullmatch(block.strip())
        if found is None or "\n===" in found[2] or "===" in found[1]:
            raise UnusableError("a block is not 'Question:', '===', 'Answer:'")
        pairs.append((sentence(found[1]), sentence(found[2])))
    if len(pairs) > most:
        raise UnusableError(f"{len(pairs)} questions where {most} is the most")
    return pairs


def sentence(text: Any, most: int = 4000) -> str:
    """Text without blanks around it.

    Raises:
        UnusableError: if it is none, empty or longer than ``most`` characters.
    """
    if not isinstance(text, str) or not text.strip():
        raise UnusableError("a text is missing or empty")
    if len(text) > most:
        raise UnusableError(f"a text of {len(text)} characters where {most} is the most")
    return text.strip()


def json_object(text: str, keys: Sequence[str]) -> Mapping[str, Any]:
    """A JSON object with exactly these keys.

    Raises:
        UnusableError: for anything else; also for a code fence or words around it.
    """
    try:
        value = json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"the answer is not JSON: {error}") from error
    if not isinstance(value, dict) or set(value) != set(keys):
        raise UnusableError(f"the answer is not an object with the keys {', '.join(keys)}")
    return value


def _distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys stand once each: of two values nobody knows which one is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UnusableError("a key of the answer stands twice")
    return found


def text_list(value: Any, least: int, most: int) -> list[str]:
    """A list of texts that are all different.

    Raises:
        UnusableError: for anything else, or too few or too many.
    """
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise UnusableError(f"this is not a list of {least} to {most} texts")
    found = [sentence(item) for item in value]
    if len({item.lower() for item in found}) < len(found):
        raise UnusableError("a text stands twice in a list")
    return found


def truth(value: Any) -> bool:
    """True or false as JSON has it; a "yes" is refused.

    Raises:
        UnusableError: for anything else.
    """
    if not isinstance(value, bool):
        raise UnusableError(f"{value!r} is neither true nor false")
    return value


def number(value: Any, low: int, high: int) -> int:
    """A whole number in a range.

    Raises:
        UnusableError: for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UnusableError(f"{value!r} is not a whole number from {low} to {high}")
    return value


def tagged(text: str, tags: Sequence[str]) -> dict[str, str]:
    """The texts inside ``<TAG>...</TAG>``: each tag once, in this order, and nothing outside.

    Raises:
        UnusableError: for anything else.
    """
    inside = r"((?:(?!</?(?:" + "|".join(tags) + r")>).)+)"
    form = r"\s*".join(f"<{tag}>{inside}</{tag}>" for tag in tags)
    found = re.fullmatch(rf"\s*{form}\s*", text, re.DOTALL)
    if found is None:
        raise UnusableError(f"the answer is not {', '.join(tags)} in their tags, once each and in this order")
    return {tag: sentence(part) for tag, part in zip(tags, found.groups(), strict=True)}


def array(items: Mapping[str, Any], least: int, most: int) -> dict[str, Any]:
    """JSON schema of a list."""
    return {"type": "array", "items": dict(items), "minItems": least, "maxItems": most}


def record_of(**fields: Mapping[str, Any]) -> dict[str, Any]:
    """JSON schema of an object with exactly these fields."""
    return {
        "type": "object",
        "properties": {name: dict(schema) for name, schema in fields.items()},
        "required": list(fields),
        "additionalProperties": False,
    }


TEXT: Mapping[str, Any] = {"type": "string"}
TRUTH: Mapping[str, Any] = {"type": "boolean"}
