"""Records and preferences, the values that every room shares, and LLaVA JSON, in which people keep them."""

from __future__ import annotations

from mmtune.records.files import decode_json, iter_llava, iter_rows, write_llava, write_rows
from mmtune.records.llava import VIDEO_PLACEHOLDER, move_images_to_front, parse_llava, to_llava
from mmtune.records.preferences import (
    iter_preferences,
    parse_preference,
    preference_to_json,
    write_preferences,
)
from mmtune.records.record import IMAGE_PLACEHOLDER, ImageRef, Preference, Record, Role, Turn

__all__ = [
    "IMAGE_PLACEHOLDER",
    "VIDEO_PLACEHOLDER",
    "ImageRef",
    "Preference",
    "Record",
    "Role",
    "Turn",
    "decode_json",
    "iter_llava",
    "iter_preferences",
    "iter_rows",
    "move_images_to_front",
    "parse_llava",
    "parse_preference",
    "preference_to_json",
    "to_llava",
    "write_llava",
    "write_preferences",
    "write_rows",
]
