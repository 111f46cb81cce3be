"""Any value of any format replaced by any other: a scene, a problem or a user's mistake, never a crash."""

from __future__ import annotations

import copy
import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.problems import Problem
from data_builders.readers import read_annotations
from data_builders.scenes import scene_from_json
from mmtune.errors import UserError

BOX = {"x": 1, "y": 2, "w": 30, "h": 40}
RUNS = {"size": [4, 2], "counts": [0, 8]}
DOCUMENTS: dict[str, Any] = {
    "coco": {
        "licenses": [{"id": 1, "name": "CC0"}],
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 90, "height": 80, "license": 1},
            {"id": 2, "coco_url": "http://x/y/b.jpg"},
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 3,
                "bbox": [1, 2, 3, 4],
                "iscrowd": 0,
                "segmentation": [[1, 2, 3, 4, 5, 6]],
            },
            {
                "id": 2,
                "image_id": 1,
                "category_id": 3,
                "bbox": [1, 2, 3, 4],
                "iscrowd": 1,
                "segmentation": RUNS,
            },
            {"id": 3, "image_id": 2, "caption": "a dog"},
        ],
        "categories": [{"id": 3, "name": "dog", "isthing": 1}],
    },
    "coco panoptic": {
        "images": [
            {"id": 1, "file_name": "a.jpg", "neg_category_ids": [3], "not_exhaustive_category_ids": [4]}
        ],
        "annotations": [
            {
                "image_id": 1,
                "segments_info": [{"id": 5, "category_id": 3, "bbox": [1, 2, 3, 4], "iscrowd": 0}],
            }
        ],
        "categories": [{"id": 3, "name": "dog", "isthing": 1}, {"id": 4, "name": "sky", "isthing": 0}],
    },
    "visual_genome": [
        {
            "image_id": 1,
            "url": "https://x/VG_100K/1.jpg",
            "width": 90,
            "height": 80,
            "objects": [
                {
                    "object_id": 1,
                    "names": ["dog", "pet"],
                    "attributes": ["red"],
                    "merged_object_ids": [7],
                    **BOX,
                },
                {"object_id": 2, "name": "cat", **BOX},
            ],
            "relationships": [
                {"relationship_id": 1, "predicate": "near", "subject_id": 1, "object_id": 2},
                {
                    "relationship_id": 2,
                    "predicate": "near",
                    "subject": {"id": 4, "name": "a", **BOX},
                    "object": {"id": 2},
                },
            ],
        }
    ],
    "visual_genome regions": [
        {"id": 1, "regions": [{"region_id": 1, "phrase": "a", "x": 1, "y": 2, "width": 3, "height": 4}]}
    ],
    "gqa": {
        "1": {
            "width": 90,
            "height": 80,
            "location": "park",
            "objects": {
                "5": {
                    "name": "dog",
                    "attributes": ["red"],
                    "relations": [{"name": "near", "object": "6"}],
                    **BOX,
                },
                "6": {"name": "cat", "attributes": [], "relations": [], **BOX},
            },
        },
        "2": {"width": 9, "height": 9, "objects": {}},
    },
    "localized_narratives": [
        {
            "dataset_id": "x",
            "image_id": "a",
            "annotator_id": 1,
            "caption": "a dog",
            "timed_caption": [{"utterance": "a dog", "start_time": 0.0, "end_time": 1.0}],
            "traces": [[{"x": 0.1, "y": 0.2, "t": 0.3}, {"x": 0.4, "y": 0.5, "t": 0.6}]],
        }
    ],
    "ocr": {
        "form": [
            {"box": [1, 2, 3, 4], "text": "a", "label": "x", "words": [{"box": [1, 2, 3, 4], "text": "a"}]}
        ],
        "layout_info": [{"box": [1, 2, 3, 4], "class": "title"}],
    },
    "ocr rows": [
        {
            "id": "1",
            "image": "a.jpg",
            "captions": "a dog\n\nSTOP",
            "ocr": [{"box": [[1, 2], [3, 2], [3, 4], [1, 4]], "text": "a"}],
        }
    ],
    "llava": [
        {
            "id": "1",
            "image": "a.jpg",
            "conversations": [
                {"from": "human", "value": "<image>\nWhat?"},
                {"from": "gpt", "value": "A dog."},
            ],
        }
    ],
    "llava contexts": [
        {
            "id": 1,
            "image": "a.jpg",
            "captions": ["a dog"],
            "instances": [{"category": "dog", "bbox": [0.1, 0.2, 0.3, 0.4]}],
        }
    ],
    "flickr30k": {
        "images": [
            {"imgid": 0, "filename": "a.jpg", "split": "val", "sentences": [{"raw": "a dog", "sentid": 0}]}
        ]
    },
    "captions": [
        {
            "id": 1,
            "image": "a.jpg",
            "captions": ["a dog", "one dog"],
            "width": 9,
            "height": 9,
            "license": "CC0",
            "status": "success",
        }
    ],
    "scenes": [
        {
            "id": "1",
            "image": "a.jpg",
            "width": 90,
            "height": 80,
            "objects": [
                {
                    "id": "a",
                    "name": "dog",
                    "box_xyxy": [1, 2, 3, 4],
                    "attributes": ["red"],
                    "mask": {"height": 4, "width": 2, "counts": [0, 8]},
                }
            ],
            "relations": [["a", "near", "a"]],
            "captions": ["a dog"],
            "exhaustive_classes": ["dog"],
            "frame": {"padded": True, "size": [4, 4]},
            "regions": [{"id": "r", "phrase": "a", "box_xyxy": [1, 2, 3, 4], "objects": ["a"]}],
            "texts": ["STOP"],
        }
    ],
}
LINES = ("localized_narratives", "ocr rows", "scenes")
_junk = st.sampled_from(
    (
        None,
        True,
        -1,
        0,
        10**400,
        1e308,
        float("nan"),
        float("-inf"),
        0.5,
        "",
        " ",
        "x",
        "../x",
        "\ud800",
        [],
        [[]],
        {},
        {"id": 1},
        [None],
        ["x", 5],
    )
)


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Where there is a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return (
        [path, *(place for key, item in inner for place in places(item, (*path, key)))]
        if path or inner
        else [path]
    )


def damaged(document: Any, place: tuple, junk: Any, keep: bool) -> Any:
    if not place:
        return junk
    document = copy.deepcopy(document)
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    if keep:
        inner[place[-1]] = junk
    else:
        del inner[place[-1]]
    return document


@pytest.mark.parametrize("name", DOCUMENTS)
def test_whole_documents_are_read(put, name) -> None:
    problems: list[Problem] = []
    scenes = list(
        read_annotations(
            [file_of(put, name, DOCUMENTS[name])], reader=name.split()[0], report=problems.append
        )
    )
    assert scenes
    assert list(read_annotations([file_of(put, name, DOCUMENTS[name])], report=problems.append)) == scenes


def file_of(put, name: str, document: Any):
    if name in LINES and isinstance(document, list):
        return put("x.jsonl", document)
    return put("x.json", json.dumps(document))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.data(), st.sampled_from(sorted(DOCUMENTS)), _junk, st.booleans())
def test_no_damage_is_a_crash(tmp_path_factory, data, name, junk, keep) -> None:
    document = DOCUMENTS[name]
    place = data.draw(st.sampled_from(places(document)))
    content = damaged(document, place, junk, keep)
    folder = tmp_path_factory.getbasetemp()
    if name in LINES and isinstance(content, list):
        path = folder / "damaged.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in content))
    else:
        path = folder / "damaged.json"
        path.write_text(json.dumps(content))
    problems: list[Problem] = []
    scenes = []
    with suppress(UserError):
        scenes = list(read_annotations([path], reader=name.split()[0], report=problems.append))
    for scene in scenes:
        # What comes out is plain values, and can be written as UTF-8.
        row = json.dumps(scene.to_json())
        assert scene_from_json(json.loads(row)).id == scene.id
        json.dumps(scene.to_json(), ensure_ascii=False).encode()
        for item in scene.objects:
            x0, y0, x1, y1 = item.box_xyxy
            assert name == "scenes" or (x0 < x1 < math.inf and y0 < y1 < math.inf)
            assert isinstance(item.name, str) and all(isinstance(v, str) for v in item.attributes)
            assert all(isinstance(side, int | float) for side in item.box_xyxy)
    for problem in problems:
        assert problem.reason and problem.row and problem.source
