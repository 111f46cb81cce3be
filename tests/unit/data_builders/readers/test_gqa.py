from __future__ import annotations

from data_builders.scenes import Relation

GRAPH = {
    "2407890": {
        "width": 640,
        "height": 480,
        "location": "living room",
        "weather": "none",
        "objects": {
            "271881": {
                "name": "chair",
                "x": 220,
                "y": 310,
                "w": 50,
                "h": 80,
                "attributes": ["brown", "wooden", "small"],
                "relations": [{"name": "on", "object": "32452"}, {"name": "near", "object": "32452"}],
            },
            "32452": {
                "name": "floor",
                "x": 0,
                "y": 300,
                "w": 640,
                "h": 180,
                "attributes": [],
                "relations": [],
            },
        },
    }
}


def test_scene_graphs_as_published(put, read) -> None:
    path = put("val_sceneGraphs.json", GRAPH)
    (scene,), problems = read(path)
    assert problems == []
    assert (scene.id, scene.image.path, scene.width, scene.height) == ("2407890", "2407890.jpg", 640, 480)
    assert [(item.id, item.name, item.box_xyxy, item.attributes) for item in scene.objects] == [
        ("271881", "chair", (220, 310, 270, 390), ("brown", "wooden", "small")),
        ("32452", "floor", (0, 300, 640, 480), ()),
    ]
    assert scene.relations == (Relation("271881", "on", "32452"), Relation("271881", "near", "32452"))
    assert scene.source["location"] == "living room" and scene.exhaustive_classes == frozenset()
    assert read(path.parent) == ([scene], [])


def test_what_cannot_be_used_is_reported(put, read, rows_of_problems) -> None:
    objects = {
        "1": {
            "name": "cat",
            "x": 0,
            "y": 0,
            "w": 5,
            "h": 5,
            "relations": [{"name": "on", "object": "7"}, "x"],
        },
        "2": {"name": "dog", "x": 0, "y": 0, "w": -5, "h": 5},
        # As the sample on the web page has it: of two relations in one object JSON keeps the last.
        "3": {"name": "mat", "x": 0, "y": 0, "w": 9, "h": 5, "relations": {"name": "on", "object": "1"}},
        "4": 5,
    }
    content = {
        "1": {"width": 9, "height": 9, "objects": objects},
        "2": {"objects": []},
        "3": 7,
        "a/../b": GRAPH["2407890"],
    }
    found, problems = read(put("graphs.json", content), reader="gqa", exhaustive=frozenset({"cat"}))
    assert [scene.id for scene in found] == ["1"]
    assert [item.id for item in found[0].objects] == ["1", "3"] and found[0].exhaustive_classes == frozenset()
    reasons = rows_of_problems(problems)
    assert set(reasons) == {
        "image 1, object 1, relation number 0",
        "image 1, object 1, relation number 1",
        "image 1, object 2",
        "image 1, object 3",
        "image 1, object 4",
        "image 2",
        "image 3",
        "image a/../b",
    }
    assert "inverted" in reasons["image 1, object 2"] and "not a list" in reasons["image 1, object 3"]
    assert "climbs" in reasons["image a/../b"]
