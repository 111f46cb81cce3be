"""A record with a video: frames stand in its place, from the JSON row to the packed row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmtune.batch import IMAGE_TOKEN_ID
from mmtune.data.room import check_room
from mmtune.data.rows import ImageDecoder, Row, collate
from mmtune.errors import RecordError, UserError
from mmtune.images.settings import ImagesConfig
from mmtune.records import ImageRef, parse_llava, to_llava


def row(text: str, **more: Any) -> dict[str, Any]:
    turns = [{"from": "human", "value": text}, {"from": "gpt", "value": "It moves."}]
    return {"id": "v", **more, "conversations": turns}


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("<video>\nWhat?", {"video": "a.gif"}),
        ("Compare <image> with <video> and <image>.", {"image": ["a.png", "b.png"], "video": "c.mp4"}),
        ("<video><video>", {"video": ["a", "b"]}),
    ],
)
def test_rows_with_videos_come_back_as_they_were(text: str, more: dict[str, Any]) -> None:
    record = parse_llava(row(text, **more), 0)
    assert record.turns[0].placeholders == len(record.images) and "<video>" not in record.turns[0].text
    assert to_llava(record) == row(text, **more)


def test_videos_and_images_keep_the_order_of_their_placeholders() -> None:
    record = parse_llava(row("<video> <image> <video>", video=["a", "b"], image="c.png"), 0)
    assert record.images == (ImageRef("a", video=True), ImageRef("c.png"), ImageRef("b", video=True))


def test_a_video_alone_may_stand_at_image_as_llava_next_writes_it() -> None:
    record = parse_llava(row("<image>\nWhat?", video="a.mp4"), 0)
    assert record.images == (ImageRef("a.mp4", video=True),)
    assert parse_llava(row("Is <video> a tag?"), 0).turns[0].text == "Is <video> a tag?"


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("<image>", {"image": "a.png", "video": "b"}),
        ("<video>", {"video": ["a", "b"]}),
        ("<video>", {"video": 3}),
    ],
)
def test_placeholders_that_do_not_match_are_refused(text: str, more: dict[str, Any]) -> None:
    with pytest.raises(RecordError):
        parse_llava(row(text, **more), 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frames = [Image.fromarray(np.full((20, 30, 3), 25 * k, np.uint8)) for k in range(10)]
    frames[0].save(tmp_path / "v.gif", save_all=True, append_images=frames[1:])
    frames[4].save(tmp_path / "still.png")
    return tmp_path


def test_a_video_becomes_frames_in_its_place(folder: Path, make_encoder: Any) -> None:
    encoder = make_encoder()
    encoder.policy.settings = ImagesConfig(video_frames=4)
    a_view = encoder.policy.tokens.count
    record = parse_llava(row("<image> then <video>", image="still.png", video="v.gif"), 0)
    sample = encoder.encode(record, folder)
    assert [image.frame for image in sample.images] == [None, 0, 3, 6, 9]
    assert sample.image_token_counts == (a_view,) * 5
    assert (sample.ids == IMAGE_TOKEN_ID).sum() == 5 * a_view
    images = ImageDecoder(encoder.policy).images(sample)
    assert [int(image.views.mean()) for image in images] == [100, 0, 75, 150, 225]
    batch = collate(Row((sample,), (images,)), encoder.policy)
    assert batch.image_views == (1,) * 5 and batch.image_sizes == ((30, 20),) * 5


def test_a_policy_with_more_tokens_than_a_record_may_have_is_refused(make_encoder: Any) -> None:
    policy = make_encoder().policy
    check_room(policy, policy.largest + 1)
    with pytest.raises(
        UserError, match=f"up to {policy.largest} visual tokens, and a record may have 4 tokens"
    ):
        check_room(policy, 4)
