"""LLaVA-Hound's rows: a question, two answers, and one image or one video."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from data_builders.preference.formats.base import Format, asked, id_of, only_question, sound, text_at
from mmtune.errors import RecordError
from mmtune.records import ImageRef, Preference

NAME = "LLaVA-Hound"


def write(pair: Preference, index: int) -> dict[str, Any]:
    """``prompt``, ``chosen``, ``rejected``, and ``video``, or an image as ``frame`` and ``image_path``.

    Several images are ``frames``. The trainer puts its own placeholder before the question.

    Source: llava_hound_dpo/dpo_scripts/run_dpo.py, which documents ``image_path`` and opens ``frame``.
    """
    row: dict[str, Any] = {"id": pair.id, "prompt": only_question(pair, NAME)}
    row |= {"chosen": pair.chosen, "rejected": pair.rejected}
    if not pair.images or any(image.frame is not None for image in pair.images):
        raise RecordError(f"{NAME} has place for images or a whole video only", pair.id)
    paths = [image.path for image in pair.images]
    if any(image.video for image in pair.images):
        if len(paths) > 1:
            raise RecordError(f"{NAME} has place for one video alone", pair.id)
        return {**row, "video": paths[0]}
    if len(paths) > 1:
        return {**row, "frames": paths}
    return {**row, "frame": paths[0], "image_path": paths[0], "image_name": PurePosixPath(paths[0]).name}


def read(row: Any, index: int) -> Preference:
    """A pair of LLaVA-Hound's; keys of its own go to ``meta``."""
    prompt, chosen, rejected = (text_at(row, key, index) for key in ("prompt", "chosen", "rejected"))
    known = ("id", "prompt", "chosen", "rejected", "video", "frames", "frame", "image_path", "image_name")
    meta = {key: value for key, value in row.items() if key not in known}
    frames = row.get("frames")
    if isinstance(row.get("video"), str):
        images: tuple[ImageRef, ...] = (ImageRef(row["video"], video=True),)
    elif isinstance(frames, list) and frames and all(isinstance(path, str) and path for path in frames):
        images = tuple(ImageRef(path) for path in frames)
    else:
        path = row.get("image_path") or row.get("frame")
        if not isinstance(path, str) or not path:
            raise RecordError("there is neither an image nor a video", id_of(row, index), index)
        images = (ImageRef(path),)
    question = prompt.replace("<image>", "").replace("<video>", "").strip()
    pair_id = id_of(row, index)
    return sound(Preference(pair_id, asked(question, len(images)), chosen, rejected, images, meta), index)


FORMAT = Format("llava_hound", "LLaVA-Hound's trainer", write, read)
