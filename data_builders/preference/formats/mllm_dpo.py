"""mllm-dpo's rows: turns in LLaVA's form under ``question``, ``chosen`` and ``rejected``."""

from __future__ import annotations

import ast
from typing import Any

from data_builders.preference.formats.base import Format, only_image, sound
from data_builders.preference.formats.povid import llava_turns, no_system, pair_of
from mmtune.errors import RecordError
from mmtune.records import Preference, parse_llava


def write(pair: Preference, index: int) -> dict[str, Any]:
    """One turn each of ``question``, ``chosen`` and ``rejected``; whole conversations for a longer prompt.

    Source: llava/train/train.py of mllm-dpo, which reads ``question`` only where the answers are no lists.
    """
    no_system(pair, "mllm-dpo")
    both = [llava_turns(pair.prompt, answer) for answer in (pair.chosen, pair.rejected)]
    row: dict[str, Any] = {"question": both[0][0]}
    if len(pair.prompt) > 1:
        row |= {"chosen": both[0], "rejected": both[1]}
    else:
        row |= {"chosen": both[0][-1], "rejected": both[1][-1]}
    if pair.images:
        row["image"] = only_image(pair, "mllm-dpo").path
    return row


def read(row: Any, index: int) -> Preference:
    """A pair of mllm-dpo's; ``question`` may be a turn, or a text that holds one as Python writes it."""
    if not isinstance(row, dict):
        raise RecordError(f"the row is a {type(row).__name__}, not an object", row=index)
    question = row.get("question")
    if isinstance(question, str):
        try:
            question = ast.literal_eval(question)
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise RecordError("the question is no turn", row=index) from error
    chosen, rejected = (
        side if isinstance(side, list) else [question, side]
        for side in (row.get("chosen"), row.get("rejected"))
    )
    known = {"question", "chosen", "rejected"}
    meta = {key: value for key, value in row.items() if key not in known}
    one = parse_llava({**meta, "conversations": chosen}, index)
    other = parse_llava({"id": one.id, "image": row.get("image"), "conversations": rejected}, index)
    return sound(pair_of(one, other, index), index)


FORMAT = Format("mllm_dpo", "mllm-dpo's trainer", write, read, (".json", ".jsonl"))
