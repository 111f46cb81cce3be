"""Formats in which preferences leave mmtune and come into it: one file each."""

from __future__ import annotations

from data_builders.preference.formats import llava, llava_hound, mllm_dpo, own, povid, rlaifv, trl
from data_builders.preference.formats.base import Format

FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        own.FORMAT,
        trl.FORMAT,
        rlaifv.FORMAT,
        rlaifv.PAIRS,
        povid.FORMAT,
        llava_hound.FORMAT,
        mllm_dpo.FORMAT,
        llava.FORMAT,
    )
}
"""Name -> format; a new one is a file and its name here."""

__all__ = ["FORMATS", "Format"]
