"""Samples: targets are the next supervised id, images take their visual tokens, bad records are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmtune.batch import IGNORE, IMAGE_TOKEN_ID
from mmtune.data.prepare import RecordEncoder, shift_targets
from mmtune.errors import RecordError
from mmtune.images.decoding import ImageError
from mmtune.records import ImageRef, Record, Turn


def _record(question: str, answer: str, *images: str) -> Record:
    return Record("a", (Turn("user", question), Turn("assistant", answer)), tuple(map(ImageRef, images)))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=20))
def test_each_supervised_token_is_the_target_of_the_one_before(tokens: list[tuple[int, bool]]) -> None:
    ids = np.array([token for token, _ in tokens], dtype=np.int64)
    supervised = np.array([flag for _, flag in tokens])
    targets = shift_targets(ids, supervised)
    assert targets[-1] == IGNORE
    for i in range(len(ids) - 1):
        assert targets[i] == (ids[i + 1] if supervised[i + 1] else IGNORE)


def test_targets_spell_the_answer_and_its_end(make_encoder: Callable[..., RecordEncoder]) -> None:
    encoder = make_encoder()
    sample = encoder.encode(_record("<image>\nWhat?", "A red cube.", "x.png"), Path())
    spelled = encoder.tokenizer.decode(sample.targets[sample.targets != IGNORE].tolist())
    assert spelled == "A red cube.<|im_end|>"
    assert sample.supervised == len("A red cube.") + 1
    assert (sample.ids == IMAGE_TOKEN_ID).sum() == 4 == sum(sample.image_token_counts)
    assert not (sample.targets == IMAGE_TOKEN_ID).any()


def test_the_image_stays_where_the_record_puts_it_unless_asked(
    make_encoder: Callable[..., RecordEncoder],
) -> None:
    record = _record("What is this?\n<image>", "A cube.", "x.png")
    kept = make_encoder().encode(record, Path()).ids
    front = make_encoder(image_position="front").encode(record, Path()).ids
    assert len(kept) == len(front)
    assert int(np.argmax(kept == IMAGE_TOKEN_ID)) > int(np.argmax(front == IMAGE_TOKEN_ID))


def test_the_limit_counts_visual_tokens_and_is_exact(make_encoder: Callable[..., RecordEncoder]) -> None:
    record = _record("<image>\nWhat?", "A cube.", "x.png")
    length = len(make_encoder().encode(record, Path()))
    assert len(make_encoder(max_tokens=length).encode(record, Path())) == length
    with pytest.raises(
        RecordError, match=rf"has {length} tokens, 4 of them visual, and the limit is {length - 1}"
    ):
        make_encoder(max_tokens=length - 1).encode(record, Path())


@pytest.mark.parametrize(
    "record",
    [
        _record("What?", "A cube.", "x.png"),
        _record("<image> What?", "A cube."),
        _record("What?", " "),
        Record("a", (Turn("assistant", "Hello."),)),
        Record("a", ()),
    ],
)
def test_malformed_records_are_refused(record: Record, make_encoder: Callable[..., RecordEncoder]) -> None:
    with pytest.raises(RecordError):
        make_encoder().encode(record, Path())


def test_sizes_are_read_only_for_a_policy_that_needs_them(
    tmp_path: Path, make_encoder: Callable[..., RecordEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = _record("<image>\nWhat?", "A cube.", "x.png")
    encoder = make_encoder()
    encoder.encode(record, tmp_path)
    monkeypatch.setattr(type(encoder.policy), "needs_size", True)
    with pytest.raises(ImageError, match="does not exist"):
        encoder.encode(record, tmp_path)
    Image.new("RGB", (3, 5)).save(tmp_path / "x.png")
    monkeypatch.setattr(type(encoder.policy), "token_count", lambda self, width, height, **_: width * height)
    assert encoder.encode(record, tmp_path).image_token_counts == (15,)
