"""Token ids and loss masks against those of LLaVA's and LLaVA-NeXT's own preprocessing.

Each row of ``golden/train/masks.jsonl.gz`` is one record through the reference trainer, with its tokenizer of
transformers 4.37. Ours must give the same ids and the same supervised text, except where the tables below say why
the reference is wrong; a row of a table that no longer deviates fails, too.
"""

from __future__ import annotations

import functools
import gzip
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmtune.errors import RecordError
from mmtune.records import IMAGE_PLACEHOLDER, Record, Turn, move_images_to_front, parse_llava
from mmtune.templates import Encoded, encode, get_template

GOLDEN = Path(__file__).resolve().parents[1] / "golden"

TEMPLATE_OF = {
    "v1": "vicuna_v1",
    "chatml_direct": "chatml",
    "qwen_1_5": "qwen",
    "plain": "plain",
    "llava_llama_3": "tokenizer",
    "llava_v1": "llava_v1",
    "llava_llama_2": "llava_llama_2",
    "mistral_instruct": "mistral_instruct",
    "mpt": "mpt",
    "qwen_2_5": "qwen_2_5",
    "gemma_instruct": "gemma_instruct",
}
FEW = {"llava_v1": 2, "qwen_2_5": 1}
"""Templates of which there are only this many vectors, as they differ from another in the system text alone."""
LLAMA_3_SYSTEM = (
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist the user with a variety of tasks using natural language."
)
MASK_BY_DESIGN = {
    "qwen_1_5": "the reference supervises headers, control tokens and newlines of user turns",
    "llava_llama_3": "the reference supervises headers and control tokens",
}

DEVIATING_IDS: dict[str, str] = {
    row_id: reason
    for reason, row_ids in {
        "an empty question: the reference drops the separator or the end of the turn with it": (
            "msk00045 msk00289 msk00584 msk00585 msk00588 msk00717 msk00851 msk00855 msk00983 msk00987 msk00988"
        ),
        "LLaVA-NeXT leaves '<image>text' as it is, LLaVA and we write '<image>\\ntext'": (
            "msk00251 msk00783 msk01040 msk00109 msk00180 msk00351 msk00422 msk00916 msk01213"
        ),
        "two images in a turn: the reference merges them, so one image is lost": (
            "msk00012 msk00090 msk00254 msk00332 msk00522 msk00524 msk00655 msk00788 msk00790 msk01127 msk00114 "
            "msk00183 msk00356 msk00427 msk00923"
        ),
        "'</s>' in a person's text becomes the end token there": (
            "msk00060 msk00293 msk00294 msk00330 msk00597 msk00598 msk00599 msk00614 msk00615 msk00730 msk00731 "
            "msk00732 msk00747 msk00880 msk00881 msk00152 msk00160 msk00223 msk00231 msk00402 msk00465 msk00473"
        ),
        "'<s>' in a person's text becomes the first token there": (
            "msk00053 msk00094 msk00295 msk00336 msk00600 msk00601 msk00733 msk00867 msk00224 msk00395 msk00466"
        ),
        "'<unk>' in a person's text becomes the unknown token there": (
            "msk00057 msk00608 msk00741 msk00157 msk00228 msk00399"
        ),
        "'<|im_start|>' and '<|im_end|>' in a person's text become control tokens there": (
            "msk00737 msk00871 msk01003 msk01004"
        ),
        "'<|endoftext|>' or '<|eot_id|>' in a person's text becomes a control token there": (
            "msk01088 msk01193 msk01011 msk01012"
        ),
        "an answer that starts with newlines: the reference merges them with the newline of the prompt into one "
        "token, which no generation prompt ends with": "msk01064 msk00963 msk01237",
        "the reference writes the system text of Qwen 1.5 for Qwen 2.5, too, where it trains": "msk01107",
    }.items()
    for row_id in row_ids.split()
}

DEVIATING_LABELS: dict[str, str] = {}
"""None: where the reference is not wrong, every label is the same."""

_COUNT = "the text has {} <image>, the record has {} image(s)"
_EMPTY = "an answer is empty, so there is nothing to learn from it"
_NO_END = "the conversation does not end with an answer"
REFUSED = {
    "i11_image_key_without_marker": _COUNT.format(0, 1),
    "i12_marker_without_image_key": _COUNT.format(1, 0),
    "i13_marker_in_answer": "text of the assistant holds <image>",
    "i17_capital_marker": _COUNT.format(0, 1),
    "e01_empty_answer": _EMPTY,
    "e02_empty_answer_middle": _EMPTY,
    "e03_space_answer": _EMPTY,
    "e06_newline_answer": _EMPTY,
    "s02_two_humans": "turn 2 is from the user where the assistant is due",
    "s04_ends_with_human": _NO_END,
    "s05_only_human": _NO_END,
    "s07_only_gpt": "the record has no turns",
    "p05_empty_caption": _EMPTY,
    "p09_image_marker_in_caption": "text of the assistant holds <image>",
    "p11_no_marker": _COUNT.format(0, 1),
}


def rows(name: str) -> list[dict[str, Any]]:
    with gzip.open(GOLDEN / "train" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@functools.cache
def tokenizer(name: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        GOLDEN / "tokenizers" / name.removeprefix("tokenizer_").removesuffix(":neox")
    )


@functools.cache
def conversations() -> dict[str, Record | RecordError]:
    """The input records; those with two markers get the two images that the vectors' one image key stands for."""
    read: dict[str, Record | RecordError] = {}
    for row in rows("conversations"):
        row.pop("preprocess_multimodal", None)
        markers = sum(turn["value"].count(IMAGE_PLACEHOLDER) for turn in row["conversations"])
        if "image" in row and markers > 1:
            row["image"] = [row["image"]] * markers
        try:
            read[row["id"]] = parse_llava(row, 0)
        except RecordError as error:
            read[row["id"]] = error
    return read


def encoded(row: dict[str, Any], record: Record) -> Encoded:
    tk = tokenizer(row["tokenizer"])
    record = move_images_to_front(record)
    turns = record.turns
    if row["template"] == "llava_llama_3" and turns[0].role != "system":
        turns = (Turn("system", LLAMA_3_SYSTEM), *turns)
    return encode(get_template(TEMPLATE_OF[row["template"]], tk).render(turns), tk)


def cases(template: str) -> Iterator[tuple[dict[str, Any], Encoded]]:
    for row in rows("masks"):
        record = conversations()[row["conv_id"]]
        if row["template"] == template and isinstance(record, Record):
            yield row, encoded(row, record)


def up_to_max_length(row: dict[str, Any], ids: list[int]) -> list[int]:
    """What of the ids a vector holds: the Vicuna path cuts records without an image, the others cut later."""
    return ids[: row["model_max_length"]] if row["template"] == "v1" and not row["has_image"] else ids


def supervised_text(row: dict[str, Any], ours: Encoded) -> str:
    ids = [token_id for token_id, learned in zip(ours.ids, ours.supervised, strict=True) if learned]
    return squeezed(tokenizer(row["tokenizer"]).decode(ids))


def squeezed(text: str) -> str:
    """The vectors compare without whitespace; Qwen's tokenizer composes accents (NFC)."""
    return "".join(unicodedata.normalize("NFC", text).split())


def in_table(table: dict[str, str], template: str) -> set[str]:
    of_template = {row["id"] for row in rows("masks") if row["template"] == template}
    return of_template & table.keys()


@pytest.mark.parametrize("template", TEMPLATE_OF)
def test_ids_are_those_of_the_reference(template: str) -> None:
    deviating = {
        row["id"]
        for row, ours in cases(template)
        if row["input_ids"] is not None and up_to_max_length(row, ours.ids) != row["input_ids"]
    }
    assert deviating == in_table(DEVIATING_IDS, template)


@pytest.mark.parametrize("template", [t for t in TEMPLATE_OF if t not in MASK_BY_DESIGN])
def test_labels_are_those_of_the_reference(template: str) -> None:
    deviating = set()
    for row, ours in cases(template):
        if row["input_ids"] is None or row["reference_bug"] or row["id"] in DEVIATING_IDS:
            continue
        labels = [i if learned else -100 for i, learned in zip(ours.ids, ours.supervised, strict=True)]
        if up_to_max_length(row, labels) != row["labels"]:
            deviating.add(row["id"])
    assert deviating == in_table(DEVIATING_LABELS, template)


@pytest.mark.parametrize("template", TEMPLATE_OF)
def test_the_answers_and_their_ends_are_supervised_and_nothing_else(template: str) -> None:
    checked = 0
    for row, ours in cases(template):
        if row["expected_text"]:
            assert supervised_text(row, ours) == squeezed("".join(row["expected_text"])), row["id"]
            checked += 1
    assert checked >= FEW.get(template, 10)


def test_llama_3_by_name_writes_what_the_tokenizers_own_template_writes() -> None:
    compared = 0
    for row, own in cases("llava_llama_3"):
        record = conversations()[row["conv_id"]]
        assert isinstance(record, Record)
        turns = move_images_to_front(record).turns
        named = encode(get_template("llama_3").render(turns), tokenizer(row["tokenizer"]))
        assert named == own, row["id"]
        compared += 1
    assert compared >= 20


def test_records_that_are_refused() -> None:
    refused = {name: r.reason for name, r in conversations().items() if isinstance(r, RecordError)}
    assert refused == REFUSED


def test_the_vectors_are_enough_to_tell() -> None:
    kept = {
        t: sum(1 for row, _ in cases(t) if row["input_ids"] and row["id"] not in DEVIATING_IDS)
        for t in TEMPLATE_OF
    }
    assert sum(kept.values()) >= 400
    assert all(kept[t] >= FEW.get(t, 15) - (t == "qwen_2_5") for t in TEMPLATE_OF)
