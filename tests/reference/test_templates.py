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

_TAGS = (
    "the tags around an image belong to the template; the reference writes them before it, and LLaVA-NeXT only into "
    "turns that it moves the image of"
)
_OPEN_END = "the reference asks for one more answer at the end of a finished Llama-3 conversation"

DEVIATIONS: dict[tuple[str, str], tuple[str, str]] = {
    ("e05_empty_question", "raw"): ("", _EMPTY_QUESTION),
    ("e07_empty_question_second_round", "raw"): ("", _EMPTY_QUESTION),
    ("e07_empty_question_second_round", "mm"): ("", _EMPTY_QUESTION),
    ("s03_system_role", "raw"): ("", _ROLES),
    ("s06_openai_role_names", "raw"): ("", _ROLES),
    ("i04_image_front_nospace", "mm"): ("LLaVA-NeXT", _NEXT_FRONT),
    ("i07_two_images_one_turn", "mm"): ("LLaVA", _MERGED),
    ("i08_two_images_interleaved", "mm"): ("LLaVA", _MERGED),
    ("p10_two_images", "mm"): ("LLaVA", _MERGED),
}
"""(conversation, variant) → the repository whose own result it is ("" = both), and why ours is another text."""

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


def expected(row: dict[str, Any]) -> tuple[str | None, str | None]:
    """The reference's texts, without what is listed as ``_OPEN_END``."""
    if row["template"] != "llava_llama_3" or row["prompt"] is None:
        return row["prompt"], row["gen_prompt"]
    start, header = "<|begin_of_text|>", "<|start_header_id|>assistant<|end_header_id|>\n\n"
    assert row["prompt"].endswith(header), _OPEN_END
    return row["prompt"].removeprefix(start).removesuffix(header), row["gen_prompt"].removeprefix(start)


def untagged(texts: tuple[str | None, str | None]) -> list[str]:
    """Without what ``_TAGS`` is about."""
    return [(text or "").replace("<Image><image></Image>", "<image>") for text in texts]


@pytest.mark.parametrize("name", sorted({row["template"] for row in rows("templates")}))
def test_prompts_are_those_of_the_reference(name: str) -> None:
    template = get_template(name)
    deviating, listed, equal, tags_differ = set(), set(), 0, 0
    for row, variant, record in cases():
        if row["template"] != name:
            continue
        case = (row["id"], row["conv_id"], variant)
        repo, reason = DEVIATIONS.get((row["conv_id"], variant), ("", ""))
        if reason and (not repo or row["repos"] == [repo]):
            listed.add(case)
        turns = record.turns
        ours = (
            rendered_text(template.render(turns)),
            rendered_text(template.render(turns, generate=True)),
        )
        theirs = expected(row)
        if ours == theirs:
            equal += 1
        elif name.endswith("mmtag") and untagged(ours) == untagged(theirs):
            assert variant == "raw" or "LLaVA" not in row["repos"]
            tags_differ += 1
        else:
            deviating.add(case)
    assert deviating == listed
    assert equal >= 20
    assert (tags_differ > 0) == name.endswith("mmtag"), _TAGS


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
