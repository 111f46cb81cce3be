"""POVID's rows: two conversations in LLaVA's form that differ in the last answer."""

from __future__ import annotations

from typing import Any

from data_builders.preference.formats.base import Format, only_image, sound
from mmtune.errors import RecordError
from mmtune.records import Preference, Record, Role, Turn, parse_llava

_NAMES: dict[Role, str] = {"user": "human", "assistant": "gpt"}


def llava_turns(turns: tuple[Turn, ...], answer: str) -> list[dict[str, str]]:
    """A conversation as LLaVA writes it."""
    return [{"from": _NAMES[turn.role], "value": turn.text} for turn in (*turns, Turn("assistant", answer))]


def no_system(pair: Preference, name: str) -> None:
    """Refuse a system turn.

    Raises:
        RecordError: if there is one.
    """
    if pair.prompt[0].role == "system":
        raise RecordError(f"{name} has no place for a system turn", pair.id)


def write(pair: Preference, index: int) -> dict[str, Any]:
    """``id``, ``image``, ``conversations``, ``rejected_conversations``.

    Source: the readme and llava/train/train_dpo.py of POVID, which opens exactly one image of a row.
    """
    no_system(pair, "POVID")
    row: dict[str, Any] = {"id": pair.id}
    if pair.images:
        row["image"] = only_image(pair, "POVID").path
    row["conversations"] = llava_turns(pair.prompt, pair.chosen)
    row["rejected_conversations"] = llava_turns(pair.prompt, pair.rejected)
    return row


def read(row: Any, index: int) -> Preference:
    """A pair of two conversations that agree up to the last answer; keys of its own go to ``meta``."""
    if not isinstance(row, dict):
        raise RecordError(f"the row is a {type(row).__name__}, not an object", row=index)
    chosen = parse_llava({key: value for key, value in row.items() if key != "rejected_conversations"}, index)
    lost = {"id": chosen.id, "image": row.get("image"), "conversations": row.get("rejected_conversations")}
    rejected = parse_llava(lost, index)
    return sound(pair_of(chosen, rejected, index), index)


def pair_of(chosen: Record, rejected: Record, index: int) -> Preference:
    """The pair of two records.

    Raises:
        RecordError: if they differ before the last answer.
    """
    if chosen.turns[:-1] != rejected.turns[:-1]:
        raise RecordError("the conversations differ before the last answer", chosen.id, index)
    return Preference(
        chosen.id,
        chosen.turns[:-1],
        chosen.turns[-1].text,
        rejected.turns[-1].text,
        chosen.images,
        chosen.meta,
    )


FORMAT = Format("povid", "POVID's trainer", write, read, (".json", ".jsonl"))
