"""Rendered prompts and moved images against those of LLaVA's and LLaVA-NeXT's own code.

The ``plain`` template has no vectors here: ``Conversation.get_prompt`` crashes on it and training goes another way,
which ``test_masks.py`` compares. A row of a table that no longer deviates fails.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmtune.errors import RecordError
from mmtune.records import IMAGE_PLACEHOLDER, Record, move_images_to_front, parse_llava
from mmtune.templates import ALIASES, TEMPLATES, get_template, rendered_text

TRAIN = Path(__file__).resolve().parents[1] / "golden" / "train"

_EMPTY_QUESTION = "an empty question: the reference drops the separator or the end of the turn with it"
_NEXT_FRONT = "LLaVA-NeXT leaves '<image>text' as it is, LLaVA and we write '<image>\\ntext'"
_MERGED = "two images in a turn: LLaVA merges them, so one image is lost"
_ROLES = "the reference knows no 'system', 'user' and 'assistant' as names in 'from' and crashes"

DEVIATIONS: dict[tuple[str, str], str] = {
    ("tpl00093", "mm"): _NEXT_FRONT,
    ("tpl00097", "mm"): _MERGED,
    ("tpl00138", "raw"): _EMPTY_QUESTION,
    ("tpl00140", "raw"): _EMPTY_QUESTION,
    ("tpl00140", "mm"): _EMPTY_QUESTION,
    ("tpl00157", "raw"): _ROLES,
    ("tpl00160", "raw"): _ROLES,
    ("tpl00187", "mm"): _MERGED,
    ("tpl00381", "mm"): _MERGED,
    ("tpl00384", "mm"): _MERGED,
    ("tpl00424", "raw"): _EMPTY_QUESTION,
    ("tpl00424", "mm"): _EMPTY_QUESTION,
    ("tpl00441", "raw"): _ROLES,
    ("tpl00444", "raw"): _ROLES,
    ("tpl01584", "raw"): _EMPTY_QUESTION,
    ("tpl01584", "mm"): _EMPTY_QUESTION,
    ("tpl01601", "raw"): _ROLES,
    ("tpl01604", "raw"): _ROLES,
}
"""(vector, variant) → why ours is another text."""

MOVES_DIFFERENTLY: dict[tuple[str, str], str] = {
    ("LLaVA", "i07_two_images_one_turn"): _MERGED,
    ("LLaVA", "i08_two_images_interleaved"): _MERGED,
    ("LLaVA", "p10_two_images"): _MERGED,
    ("LLaVA-NeXT", "i04_image_front_nospace"): _NEXT_FRONT,
}


def rows(name: str) -> list[dict[str, Any]]:
    with gzip.open(TRAIN / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def record_of(row: dict[str, Any]) -> Record | None:
    """The record, with as many images as markers; None where it is refused."""
    markers = sum(turn["value"].count(IMAGE_PLACEHOLDER) for turn in row["conversations"])
    try:
        return parse_llava(
            {"id": row["id"], "image": ["a.jpg"] * markers, "conversations": row["conversations"]}, 0
        )
    except RecordError:
        return None


def cases() -> Iterator[tuple[dict[str, Any], str, Record]]:
    records = {row["id"]: record_of(row) for row in rows("conversations")}
    for row in rows("templates"):
        record = records[row["conv_id"]]
        for variant in row["variants"]:
            if record is not None and variant != "tuple":
                yield row, variant, move_images_to_front(record) if variant == "mm" else record


@pytest.mark.parametrize("name", ["v1", "chatml_direct", "qwen_1_5"])
def test_prompts_are_those_of_the_reference(name: str) -> None:
    template = get_template(name)
    deviating, equal = set(), 0
    for row, variant, record in cases():
        if row["template"] == name:
            full = rendered_text(template.render(record.turns))
            prompt = rendered_text(template.render(record.turns, generate=True))
            if (full, prompt) == (row["prompt"], row["gen_prompt"]):
                equal += 1
            else:
                deviating.add((row["id"], variant))
    ids = {row["id"] for row in rows("templates") if row["template"] == name}
    assert deviating == {key for key in DEVIATIONS if key[0] in ids}
    assert equal >= 30


def test_images_move_to_the_front_as_in_the_reference() -> None:
    differing, equal = set(), 0
    for row in rows("conversations"):
        record = record_of(row)
        for repo, values in row.get("preprocess_multimodal", {}).items():
            if record is not None:
                moved = [turn.text for turn in move_images_to_front(record).turns]
                equal += moved == values
                if moved != values:
                    differing.add((repo, row["id"]))
    assert differing == MOVES_DIFFERENTLY.keys()
    assert equal >= 50


def test_every_alias_names_a_template() -> None:
    assert set(ALIASES.values()) <= TEMPLATES.keys()
    assert all(get_template(alias) is TEMPLATES[name] for alias, name in ALIASES.items())
