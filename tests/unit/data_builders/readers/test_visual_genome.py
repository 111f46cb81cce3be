"""Hand-written files in the keys of Visual Genome's versions, with the damage that the real ones have."""

from __future__ import annotations

import pytest

from data_builders.readers import detect
from data_builders.readers.visual_genome import kind_of
from data_builders.scenes import Region, Relation
from mmtune.errors import UserError

DATA = {
    "width": 800,
    "url": "https://cs.stanford.edu/people/rak248/VG_100K_2/1.jpg",
    "height": 600,
    "image_id": 1,
    "coco_id": None,
    "flickr_id": None,
}


def thing(number, names, box=(10, 20, 30, 40), **more):
    x, y, w, h = box
    return {"object_id": number, "x": x, "y": y, "w": w, "h": h, "names": names, "synsets": []} | more


def graph(objects, relationships=(), image=1):
    return {"image_id": image, "objects": objects, "relationships": list(relationships)}


def relation(number, subject, predicate, other):
    return {
        "relationship_id": number,
        "predicate": predicate,
        "synsets": ["along.r.01"],
        "subject_id": subject,
        "object_id": other,
    }


def test_the_files_of_version_1_2_and_1_4(put, read) -> None:
    objects = [
        thing(1058549, ["Tree ", "oak"], (0, 0, 100, 100)),
        thing(5046, ["clock"], (421, 91, 79, 339), merged_object_ids=[5047]),
        thing(5048, ["shade"], (116, 0, 20, 20), merged_object_ids=[]),
    ]
    put("image_data.json", [DATA])
    put("objects.json", [{"image_id": 1, "image_url": DATA["url"], "objects": objects}])
    attributes = [
        {**objects[1], "attributes": ["green", "Tall"]},
        {**objects[2], "attributes": None},
        objects[0],
    ]
    put("attributes.json", [{"image_id": 1, "attributes": attributes}])
    one, two = ({k: v for k, v in objects[i].items() if k != "names"} for i in (1, 2))
    relationships = [
        {
            "predicate": "ON",
            "object": {**two, "names": ["shade"]},
            "relationship_id": 15927,
            "synsets": [],
            "subject": {**one, "object_id": 5047, "name": "clock"},
        },
    ]
    put("relationships.json", [{"image_id": 1, "relationships": relationships}])
    region = {
        "region_id": 1382,
        "width": 82,
        "height": 139,
        "image_id": 1,
        "phrase": "the clock  is green",
        "y": 57,
        "x": 421,
    }
    path = put("region_descriptions.json", [{"regions": [region], "id": 1}])
    (scene,), problems = read(path.parent)
    assert problems == []
    assert (scene.image.path, scene.width, scene.height) == ("VG_100K_2/1.jpg", 800, 600)
    assert [(item.id, item.name, item.attributes) for item in scene.objects] == [
        ("1058549", "tree", ()),
        ("5046", "clock", ("green", "tall")),
        ("5048", "shade", ()),
    ]
    assert scene.objects[0].source == {"names": ["tree", "oak"]}
    assert scene.relations == (Relation("5046", "on", "5048"),)
    assert scene.regions == (Region("1382", "the clock is green", (421, 57, 503, 196)),)
    assert scene.exhaustive_classes == frozenset()


def test_the_files_of_version_1_0(put, read) -> None:
    data = {"id": 1, "url": DATA["url"], "width": 800, "height": 600}
    box = {"x": 421, "y": 91, "w": 79, "h": 339}
    attributes = [{"id": 5046, "object_names": ["clock"], "attributes": ["tall"], **box}]
    ends = {
        "subject": {"id": 5046, "name": "clock", **box},
        "object": {"id": 9, "name": "street", **box, "x": 0},
    }
    region = {"id": 1382, "image": 1, "x": 1, "y": 2, "width": 3, "height": 4, "phrase": "a wall"}
    paths = [
        put("a.json", [data]),
        put("b.json", [{"id": 1, "attributes": attributes}]),
        put("c.json", [{"id": 1, "relationships": [{"id": 4, "predicate": "in", **ends}]}]),
        put("d.json", [{"id": 1, "regions": [region]}]),
    ]
    assert detect(paths) == "visual_genome"
    (scene,), problems = read(*paths)
    assert problems == []
    assert [(item.id, item.name, item.attributes) for item in scene.objects] == [
        ("5046", "clock", ("tall",)),
        ("9", "street", ()),
    ]
    assert scene.relations == (Relation("5046", "in", "9"),) and scene.regions[0].id == "1382"


def test_duplicates_become_one_and_keep_what_was_said_of_each(put, read) -> None:
    objects = [
        thing(1, ["man"], (100, 100, 100, 200)),
        thing(2, ["man"], (101, 101, 100, 200), attributes=["tall"]),
        thing(3, ["man"], (300, 100, 100, 200)),
        thing(4, ["boy"], (100, 100, 100, 200)),
        thing(5, ["hat"], (120, 100, 30, 30)),
        thing(1, ["man"], (0, 0, 5, 5)),
    ]
    relations = [relation(1, 1, "wears", 5), relation(2, 2, "wears", 5), relation(3, 1, "near", 2)]
    path = put("scene_graphs.json", [graph(objects, relations)])
    (scene,), problems = read(path)
    assert [(item.id, item.attributes, item.source) for item in scene.objects] == [
        ("1", ("tall",), {"merged": ["2"]}),
        ("3", (), {}),
        ("4", (), {}),
        ("5", (), {}),
    ]
    assert scene.relations == (Relation("1", "wears", "5"),)
    assert [problem.row for problem in problems] == ["image 1, object 1", "image 1, relationship 3"]
    assert "earlier object" in problems[0].reason and "itself" in problems[1].reason
    (scene,), _ = read(path, merge_iou=2)
    assert [item.id for item in scene.objects] == ["1", "2", "3", "4", "5"]
    assert len(scene.relations) == 3


def test_what_cannot_be_used_is_reported_with_its_row(put, read, rows_of_problems) -> None:
    objects = [
        thing(1, ["tree"], (-10, 590, 50, 50)),
        thing(2, ["tree"], (900, 10, 5, 5)),
        thing(3, [], (0, 0, 5, 5)),
        thing(4, ["", "bush"], (50, 0, 5, 5), attributes=["red", " ", 5]),
        thing(5, ["dog"], (0, 0, float("nan"), 5)),
        {"object_id": 6, "names": "cat", "x": 0, "y": 0, "width": 5, "height": 6},
        "not an object",
        {"names": ["cow"], "x": 0, "y": 0, "w": 1, "h": 1},
    ]
    relations = [
        relation(1, 1, "near", 6),
        relation(2, 1, "near", 2),
        relation(3, 99, "near", 6),
        relation(4, 1, " ", 6),
        {"relationship_id": 5, "predicate": "near", "subject_id": 1},
    ]
    put("image_data.json", [DATA, DATA, {**DATA, "image_id": 2, "url": "../../etc/x.jpg", "width": 0}])
    put("scene_graphs.json", [graph(objects, relations), graph([], image=3)])
    regions = [
        {"region_id": 1, "x": 0, "y": 0, "width": 5, "height": 5, "phrase": ""},
        {"region_id": 2, "x": 0, "y": 0, "width": -5, "height": 5, "phrase": "a"},
    ]
    path = put("region_descriptions.json", [{"id": 1, "regions": regions}])
    found, problems = read(path.parent, exhaustive=frozenset({"tree", "cat", "dog", "sheep"}))
    reasons = rows_of_problems(problems)
    for row, reason in {
        "image 1": "earlier row",
        "image 3": "image_data",
        "image 2": "climbs",
        "image 1, object 2": "outside",
        "image 1, object 3": "no name",
        "image 1, object 5": "not finite",
        "image 1, object number 6": "not an object|no object_id",
        "image 1, object number 7": "no object_id",
        "image 1, object 4": "without it",
        "image 1, relationship 2": "was left out",
        "image 1, relationship 3": "99 is not there",
        "image 1, relationship 4": "predicate is empty",
        "image 1, relationship 5": "no object_id",
        "image 1, region 1": "empty",
        "image 1, region 2": "inverted",
    }.items():
        assert row in reasons, (row, list(reasons))
        assert any(part in reasons[row] for part in reason.split("|")), (row, reasons[row])
    (scene,) = found
    assert [(item.name, item.box_xyxy) for item in scene.objects] == [
        ("tree", (0, 590, 40, 600)),
        ("bush", (50, 0, 55, 5)),
        ("cat", (0, 0, 5, 6)),
    ]
    assert scene.objects[0].source == {"annotated_xywh": [-10, 590, 50, 50]}
    assert scene.objects[1].attributes == ("red",)
    assert scene.relations == (Relation("1", "near", "6"),)
    assert scene.exhaustive_classes == frozenset()  # An object without a name was lost.


def test_only_the_classes_of_lost_objects_are_doubtful(put, read) -> None:
    path = put("scene_graphs.json", [graph([thing(1, ["tree"], (0, 0, 0, 5)), thing(2, ["cat"])])])
    (scene,), problems = read(path, exhaustive=frozenset({"tree", "cat", "dog"}))
    assert len(problems) == 1 and scene.exhaustive_classes == {"cat", "dog"}


def test_a_thing_of_two_names_is_one_more_of_its_second(put, read) -> None:
    """Called a tree and an oak, it is listed as a tree; that no oak is there would not be true."""
    path = put("scene_graphs.json", [graph([thing(1, ["tree", "oak", "tree"]), thing(2, ["cat"])])])
    (scene,), problems = read(path, exhaustive=frozenset({"tree", "oak", "cat"}))
    assert problems == [] and scene.exhaustive_classes == {"tree", "cat"}


def test_sizes_come_from_the_images_where_no_file_tells_them(put, read, tmp_path) -> None:
    from PIL import Image

    (tmp_path / "images").mkdir()
    Image.new("RGB", (15, 30)).save(tmp_path / "images/1.jpg")
    path = put("scene_graphs.json", [graph([thing(1, ["cat"], (10, 20, 30, 40))]), graph([], image=2)])
    found, problems = read(path, images=tmp_path / "images")
    assert [(scene.width, scene.height) for scene in found] == [(15, 30)]
    assert found[0].objects[0].box_xyxy == (10, 20, 15, 30)
    assert [problem.row for problem in problems] == ["image 2"]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (DATA, "image_data"),
        (graph([]), "scene_graphs"),
        ({"image_id": 1, "objects": []}, "objects"),
        ({"id": 1, "regions": []}, "region_descriptions"),
        ({"image_id": 1, "caption": "a", "url": "u", "width": 5}, None),
        ({"objects": [], "relationships": []}, None),
        ({"id": 1, "conversations": []}, None),
    ],
)
def test_kinds_of_files(row, kind) -> None:
    assert kind_of(row) == kind


def test_another_file_is_refused(put, read) -> None:
    with pytest.raises(UserError, match="Visual Genome"):
        read(put("x.json", [{"id": 1, "conversations": []}]), reader="visual_genome")
