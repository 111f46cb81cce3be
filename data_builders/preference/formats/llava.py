"""The chosen answers alone, as LLaVA's conversations, to tune on before preferences are learned."""

from __future__ import annotations

from typing import Any

from data_builders.preference.formats.base import Format
from mmtune.records import Preference, Record, Turn, to_llava


def write(pair: Preference, index: int) -> dict[str, Any]:
    """A record that ends with the chosen answer; ``meta`` comes along."""
    record = Record(pair.id, (*pair.prompt, Turn("assistant", pair.chosen)), pair.images, pair.meta)
    record.check()
    return to_llava(record)


FORMAT = Format("llava", "tuning on the chosen answers", write, None, (".json", ".jsonl"))
