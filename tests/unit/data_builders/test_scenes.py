from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.scenes import (
    Mask,
    Relation,
    Scene,
    SceneObject,
    read_scenes,
    scene_from_json,
    write_scenes,
)
from mmtune.errors import UserError
from mmtune.records import ImageRef

_names = st.text(min_size=1, max_size=8)
_numbers = st.integers(0, 500)
_objects = st.builds(
    SceneObject,
    id=_names,
    name=_names,
    box_xyxy=st.tuples(_numbers, _numbers, _numbers, _numbers),
    attributes=st.lists(_names, max_size=3).map(tuple),
    depth=st.none() | _numbers,
    text=st.none() | _names,
    mask=st.none()
    | st.builds(
        Mask, _numbers, _numbers, counts=st.lists(_numbers, min_size=1).map(tuple), polygons=st.just(())
    ),
    source=st.dictionaries(_names, _numbers | _names | st.booleans(), max_size=3),
)
_scenes = st.builds(
    Scene,
    id=_names,
    image=st.none() | _names.map(ImageRef),
    width=_numbers,
    height=_numbers,
    objects=st.lists(_objects, max_size=3).map(tuple),
    relations=st.lists(st.builds(Relation, _names, _names, _names), max_size=3).map(tuple),
    captions=st.lists(_names, max_size=3).map(tuple),
    exhaustive_classes=st.frozensets(_names, max_size=3),
    licence=_names,
    source=st.dictionaries(_names, _numbers, max_size=2),
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(_scenes)
def test_json_gives_the_same_scene_back(scene: Scene) -> None:
    assert scene_from_json(json.loads(json.dumps(scene.to_json()))) == scene


def test_scene_files_hold_what_was_written(tmp_path, scenes) -> None:
    written = [scene.with_image(ImageRef(f"train/{scene.id}.png")) for scene in scenes[:5]]
    write_scenes(tmp_path / "scenes.jsonl", written)
    assert list(read_scenes(tmp_path / "scenes.jsonl")) == written
    assert [path.name for path in tmp_path.iterdir()] == ["scenes.jsonl"]


def test_malformed_lines_are_named(tmp_path, scenes) -> None:
    path = tmp_path / "scenes.jsonl"
    path.write_text(json.dumps(scenes[0].to_json()) + "\n{oops\n")
    with pytest.raises(UserError, match=r"scenes\.jsonl:2:2"):
        list(read_scenes(path))
    path.write_bytes(b'{"id": "Stra\xdfe"}\n')
    with pytest.raises(UserError, match=r"scenes\.jsonl:1"):
        list(read_scenes(path))


@pytest.mark.parametrize(
    "damage",
    [
        {"objects": [{"id": "a"}]},
        {"objects": [{"id": "a", "name": 5, "box_xyxy": [0, 0, 1, 1]}]},
        {"objects": [{"id": "a", "name": "dog", "box_xyxy": [0, 0, None, 1]}]},
        {"objects": [{"id": "a", "name": "dog", "box_xyxy": "0011"}]},
        {"objects": [{"id": "a", "name": "dog", "box_xyxy": [0, 0, 1e999, 1]}]},
        {"objects": [{"id": "a", "name": "dog", "box_xyxy": [0, 0, 1, 1], "attributes": "red"}]},
        {"objects": [{"id": "a", "name": "dog", "box_xyxy": [0, 0, 1, 1], "depth": 1.5}]},
        {"regions": [{"id": "a", "phrase": None, "box_xyxy": [0, 0, 1, 1]}]},
        {"captions": "a dog"},
        {"exhaustive_classes": "dog"},
        {"width": "wide"},
        {"width": float("inf")},
        {"relations": [["a", "b"]]},
    ],
)
def test_damaged_scenes_are_refused_with_their_id(scenes, damage) -> None:
    with pytest.raises(UserError, match="train-000000"):
        scene_from_json(scenes[0].to_json() | damage)


def test_unknown_object_is_a_key_error(scenes) -> None:
    with pytest.raises(KeyError):
        scenes[0].object("o99")


def test_box_center_and_area() -> None:
    item = SceneObject("a", "star", (10, 20, 30, 60))
    assert item.center == (20, 40)
    assert item.area == 800
    assert replace(item, box_xyxy=(30, 20, 10, 60)).area == 0
