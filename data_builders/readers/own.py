"""Scenes that ``write_scenes`` wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from data_builders.problems import Problem, Report
from data_builders.readers.fields import RowError
from data_builders.readers.inputs import Inputs, Reader
from data_builders.readers.lines import stream_json_lines
from data_builders.readers.peek import Peek
from data_builders.readers.pictures import Pictures
from data_builders.scenes import Scene, scene_from_json
from mmtune.errors import UserError


def recognises(peek: Peek) -> bool:
    """Lines with the keys of a scene."""
    return peek.is_rows and {"objects", "exhaustive_classes"} <= set(peek.keys)


def read(inputs: Inputs, report: Report) -> Iterator[Scene]:
    """The scenes as they were written; a line that is none is reported.

    Args:
        inputs: JSON Lines files of scenes.
        report: told of every scene that is left out.

    Raises:
        UserError: a file cannot be read.
    """
    pictures = Pictures(inputs.images)
    for path in inputs.paths:
        for line, row in stream_json_lines(path, report):
            try:
                scene = scene_from_json(row)
                if scene.image is not None:
                    pictures.find([scene.image.path])
            except (UserError, RowError) as error:
                reason = error.what if isinstance(error, UserError) else error.reason
                report(Problem(f"{line}, scene {row.get('id')!r}", reason, str(path)))
                continue
            yield scene if inputs.exhaustive is None else replace(scene, exhaustive_classes=inputs.exhaustive)


READER = Reader("scenes that mmtune wrote", recognises, read)
