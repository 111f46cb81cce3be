"""Localized Narratives: what somebody said about an image while moving a pointer over it.

Source: google.github.io/localized-narratives; its annotations are licensed CC BY 4.0, its images are not.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data_builders.problems import Problem, Report
from data_builders.readers.fields import RowError, first_of, id_of, rows_of, text_of
from data_builders.readers.inputs import Inputs, Reader
from data_builders.readers.lines import stream_json_lines
from data_builders.readers.peek import Peek
from data_builders.readers.pictures import Pictures
from data_builders.scenes import Region, Scene

_KEPT = ("dataset_id", "image_id", "annotator_id", "timed_caption", "traces", "voice_recording")
_COCO_DIGITS = 12


def recognises(peek: Peek) -> bool:
    """Lines with a caption and its times or traces, or a folder whose first JSON file is one."""
    if peek.names:
        return peek.first_json is not None and recognises(peek.first_json)
    return peek.is_rows and "caption" in peek.keys and bool({"timed_caption", "traces"} & set(peek.keys))


def read(inputs: Inputs, report: Report) -> Iterator[Scene]:
    """One scene a narrative, since several people may have told the same image.

    Where the image's size is known, each utterance gets a region: the box around the pointer's way while it
    was said, cut at the image's border, which pointers cross. Utterances during which the pointer stood
    still have none. Times and traces stay in ``source`` as they are.

    Args:
        inputs: JSON Lines files or their folder.
        report: told of every narrative that is left out.

    Raises:
        UserError: a file cannot be read.
    """
    pictures = Pictures(inputs.images)
    for path in inputs.paths:
        for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
            for line, row in stream_json_lines(file, report):
                try:
                    yield _scene(row, pictures, file)
                except RowError as error:
                    report(Problem(f"{line}, image {row.get('image_id')!r}", error.reason, str(file)))


def _scene(row: Mapping[str, Any], pictures: Pictures, path: Path) -> Scene:
    image_id = id_of(row, "image_id")
    caption = text_of(row.get("caption"), "caption")
    image = pictures.find(_names(image_id, str(row.get("dataset_id", ""))))
    size = pictures.size(image, (0, 0))
    annotator = first_of(row, "annotator_id")
    source = {"format": "localized_narratives", "annotation_licence": "CC-BY-4.0"}
    return Scene(
        image_id if annotator is None else f"{image_id}-{annotator}",
        image,
        *size,
        captions=(caption,),
        source=source | {key: row[key] for key in _KEPT if key in row},
        regions=_regions(row, size) if all(size) else (),
    )


def _names(image_id: str, dataset: str) -> list[str]:
    if dataset.startswith("mscoco") and image_id.isdecimal():
        file = f"{image_id.zfill(_COCO_DIGITS)}.jpg"
        return [file, f"{dataset.removeprefix('mscoco_')}/{file}"]
    return [f"{image_id}.jpg"]


def _regions(row: Mapping[str, Any], size: tuple[int, int]) -> tuple[Region, ...]:
    points = sorted(_points(row))
    times = [point[0] for point in points]
    regions = []
    for number, utterance in enumerate(rows_of(row.get("timed_caption"), "timed_caption")):
        try:
            phrase = text_of(utterance["utterance"], "utterance")
            start, end = float(utterance["start_time"]), float(utterance["end_time"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise RowError(f"utterance number {number} has no text or times") from error
        if not (start < math.inf and end < math.inf):
            raise RowError(f"the times of utterance number {number} are not finite")
        during = points[bisect_left(times, start) : bisect_right(times, end)]
        if not during:
            continue
        across = [min(max(x, 0.0), 1.0) * size[0] for _, x, _ in during]
        along = [min(max(y, 0.0), 1.0) * size[1] for _, _, y in during]
        box = (min(across), min(along), max(across), max(along))
        if box[0] < box[2] and box[1] < box[3]:
            regions.append(Region(f"u{number}", phrase, box))
    return tuple(regions)


def _points(row: Mapping[str, Any]) -> Iterator[tuple[float, float, float]]:
    """Time, x and y of the pointer, x and y in shares of the image."""
    for trace in rows_of(row.get("traces"), "traces"):
        for point in rows_of(trace, "a trace"):
            try:
                t, x, y = float(point["t"]), float(point["x"]), float(point["y"])
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise RowError("a point of its traces has no x, y and t") from error
            if not (abs(x) < 1e6 and abs(y) < 1e6 and abs(t) < 1e12):
                raise RowError("a point of its traces is not finite")
            yield t, x, y


READER = Reader("Localized Narratives", recognises, read)
