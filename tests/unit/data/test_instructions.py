"""Samples carry the instructions of their images into the packed row, where they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmtune.data.config import SourceConfig
from mmtune.data.prepare import RecordEncoder
from mmtune.data.rows import ImageDecoder, Row, collate
from mmtune.data.source import open_sources


def packed(path: Path, encoder: RecordEncoder) -> Any:
    (source,) = open_sources([SourceConfig(str(path))], "data.train")
    samples = [encoder.encode(source.record(index), source.image_root) for index in range(len(source))]
    decoder = ImageDecoder(encoder.policy)
    return collate(Row(tuple(samples), tuple(decoder.images(one) for one in samples)), encoder.policy)


def test_a_row_holds_the_instruction_of_each_image(
    make_encoder: Callable[..., RecordEncoder], write_source: Callable[..., Path], row: Callable[..., Any]
) -> None:
    path = write_source([row(1), row(2, images=0), row(3, images=2)])
    encoder = make_encoder()
    silent = packed(path, encoder)
    assert silent.instruction_ids is None and silent.instruction_lengths == ()
    encoder.instructions = True
    batch = packed(path, encoder)
    words = [len("What is 1?"), len("What is 3?"), len("What is 3?")]
    assert batch.instruction_lengths == tuple(words)
    texts = [encoder.tokenizer.decode(ids) for ids in batch.instruction_ids.split(words)]
    assert texts == ["What is 1?", "What is 3?", "What is 3?"]
    assert batch.input_ids.tolist() == silent.input_ids.tolist()


def test_rows_without_images_hold_none(
    make_encoder: Callable[..., RecordEncoder], write_source: Callable[..., Path], row: Callable[..., Any]
) -> None:
    encoder = make_encoder()
    encoder.instructions = True
    assert packed(write_source([row(1, images=0)]), encoder).instruction_ids is None
