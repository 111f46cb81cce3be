"""mmtune's own rows, which keep everything."""

from __future__ import annotations

from typing import Any

from data_builders.preference.formats.base import Format
from mmtune.records import Preference, parse_preference, preference_to_json


def write(pair: Preference, index: int) -> dict[str, Any]:
    """As ``mmtune.records.preference_to_json``."""
    return preference_to_json(pair)


FORMAT = Format("mmtune", "mmtune, nothing is lost", write, parse_preference)
