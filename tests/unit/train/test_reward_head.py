"""A reward head learns the direction in which people's choices differ, and belongs to one model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mmtune.errors import RecordError, UserError
from mmtune.train.reward_head import RewardHead, pairs


def test_the_direction_of_the_choices_is_learned(tmp_path):
    random = np.random.RandomState(0)
    direction = random.randn(12).astype(np.float32)
    first, second = random.randn(2, 300, 12).astype(np.float32)
    better = ((first - second) @ direction > 0)[:, None]
    head = RewardHead.fit(np.where(better, first, second), np.where(better, second, first))
    assert head.pairs == 300 and head.accuracy > 0.9
    cosine = head.weights @ direction / np.linalg.norm(head.weights) / np.linalg.norm(direction)
    assert cosine > 0.95
    head.save(tmp_path / "head.safetensors")
    again = RewardHead.load(tmp_path / "head.safetensors")
    assert np.array_equal(again.weights, head.weights) and again.accuracy == head.accuracy
    assert again.reward(direction) > 0 > again.reward(-direction)


def test_choices_without_a_direction_are_told_as_chance():
    random = np.random.RandomState(1)
    first, second = random.randn(2, 400, 6).astype(np.float32)
    assert 0.4 < RewardHead.fit(first, second).accuracy < 0.6


def test_what_cannot_be_learned_or_used_is_refused(tmp_path):
    nothing = np.zeros((3, 4), np.float32)
    with pytest.raises(UserError, match="from 3 pairs"):
        RewardHead.fit(nothing, nothing)
    (tmp_path / "x.safetensors").write_bytes(b"no head")
    with pytest.raises(UserError, match="no reward head"):
        RewardHead.load(tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="a model with 4 hidden states, this one has 5"):
        RewardHead(np.ones(4, np.float32)).reward(np.ones(5, np.float32))


def test_rows_of_preferences_in_both_forms():
    asked = {"from": "human", "value": "<image>\nWhat is it?"}
    povid = {
        "id": "a",
        "image": "1.png",
        "conversations": [asked, {"from": "gpt", "value": "A cat."}],
        "rejected_conversations": [asked, {"from": "gpt", "value": "A dog."}],
    }
    prompt = [{"role": "user", "content": "<image>\nWhat is it?"}]
    plain = {"id": "b", "images": ["1.png"], "prompt": prompt, "chosen": "A cat.", "rejected": "A dog."}
    rows = [povid, plain, {"id": "c"}, {**plain, "chosen": ""}, 5]
    found = list(pairs(enumerate(json.loads(json.dumps(rows)))))
    for one, name in zip(found, "ab", strict=False):
        assert not isinstance(one, RecordError)
        _, better, worse = one
        assert (better.id, better.turns[-1].text, worse.turns[-1].text) == (name, "A cat.", "A dog.")
        assert [image.path for image in worse.images] == ["1.png"]
    assert [one.row for one in found[2:] if isinstance(one, RecordError)] == [2, 3, 4]
