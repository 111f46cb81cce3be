"""Hand-written files in COCO's and LVIS's published keys."""

from __future__ import annotations

import pytest

from mmtune.errors import UserError
from tests.unit.data_builders.readers.coco_by_hand import CATEGORIES, IMAGES, annotation, instances


def test_instances_and_captions_join(put, read) -> None:
    crowd = {"size": [426, 640], "counts": [100, 426 * 640 - 100]}
    one = put(
        "instances_val2017.json",
        instances(
            annotation(1, 25, 18, [10.5, 20, 30, 40.25]),
            annotation(2, 9, 1, [0, 0, 640, 480]),
            annotation(900100000025, 25, 1, [0, 0, 100, 100], iscrowd=1, segmentation=crowd),
        ),
    )
    two = put(
        "captions_val2017.json",
        {
            "images": IMAGES[::-1],
            "licenses": [],
            "annotations": [{"image_id": 25, "id": 7, "caption": "A dog \n runs. "}],
        },
    )
    found, problems = read(one, two)
    assert problems == []
    person, dog = found
    assert (person.id, person.image.path, person.width, person.height) == ("9", "000000000009.jpg", 640, 480)
    assert person.licence == "Attribution License" and dog.licence == "Attribution-NonCommercial"
    assert person.exhaustive_classes == {"person", "dog", "cat"}
    assert [(item.id, item.name, item.box_xyxy) for item in dog.objects] == [
        ("1", "dog", (10.5, 20, 40.5, 60.25))
    ]
    assert dog.objects[0].mask.polygons == ((1, 1, 9, 1, 9, 9),) and dog.objects[0].mask.width == 640
    # A crowd is some people, so nobody may ask how many there are, or say that there are none.
    assert dog.exhaustive_classes == {"dog", "cat"}
    assert dog.source["crowds"] == [{"name": "person", "box_xyxy": [0, 0, 100, 100]}]
    assert dog.captions == ("A dog runs.",)
    claimed, _ = read(one, exhaustive=frozenset({" Dog", "person"}), licence="CC0-1.0")
    assert [scene.exhaustive_classes for scene in claimed] == [{"dog", "person"}, {"dog"}]
    assert claimed[0].licence == "Attribution License"


def test_captions_alone_promise_nothing(put, read) -> None:
    path = put(
        "captions.json", {"images": IMAGES, "annotations": [{"image_id": 9, "id": 7, "caption": "A room."}]}
    )
    found, _ = read(path, licence="CC-BY-4.0")
    assert [scene.captions for scene in found] == [("A room.",), ()]
    assert {scene.exhaustive_classes for scene in found} == {frozenset()}
    assert {scene.licence for scene in found} == {"CC-BY-4.0"}


BAD_BOXES = {
    "not finite": [float("nan"), 0, 5, 5],
    "is inverted": [5, 5, -3, 4],
    "no area": [5, 5, 0, 4],
    "outside the image": [700, 5, 10, 10],
    "not four numbers": [1, 2, 3],
    "not finite: \\[1000": [10**400, 0, 5, 5],
    "not finite: \\[1e": [1e308, 0, 1e308, 5],
    "four numbers: None": None,
    "four numbers: \\['1'": ["1", 2, 3, 4],
    "finite: \\[inf": [float("inf"), 2, 3, 4],
}


@pytest.mark.parametrize(("reason", "box"), BAD_BOXES.items())
def test_bad_boxes_are_reported_and_their_class_is_not_counted(put, read, reason, box) -> None:
    path = put("i.json", instances(annotation(1, 9, 18, box), annotation(2, 9, 1, [1, 1, 5, 5])))
    found, problems = read(path)
    assert [problem.row for problem in problems] == ["annotation 1"]
    with pytest.raises(UserError, match=reason):
        read_strictly(path)
    assert [item.name for item in found[0].objects] == ["person"]
    assert found[0].exhaustive_classes == {"person", "cat"}
    assert found[1].exhaustive_classes == {"person", "dog", "cat"}


def read_strictly(path, **more):
    from data_builders.readers import read_annotations

    return list(read_annotations([path], **more))


def test_a_box_over_the_border_is_cut_and_says_so(put, read) -> None:
    rows = [annotation(1, 9, 18, [-5, 470, 20, 30]), annotation(2, 9, 18, [0, 0, 640.4, 480])]
    (scene, _), problems = read(put("i.json", instances(*rows)))
    assert problems == []
    assert [item.box_xyxy for item in scene.objects] == [(0, 470, 15, 480), (0, 0, 640, 480)]
    assert [item.source for item in scene.objects] == [{"annotated_xywh": [-5, 470, 20, 30]}, {}]


def test_rows_that_point_nowhere_or_are_there_twice(put, read, rows_of_problems) -> None:
    rows = [
        annotation(1, 9, 18, [0, 0, 5, 5]),
        annotation(2, 77, 18, [0, 0, 5, 5]),
        annotation(3, 25, 99, [0, 0, 5, 5]),
        annotation(1, 25, 18, [9, 9, 5, 5]),
        annotation(4, 9, 4, [0, 0, 5, 5]),
    ]
    categories = [*CATEGORIES, {"id": 4, "name": " "}, {"id": 5}, {"id": 18, "name": "hound"}]
    content = instances(
        *rows, categories=categories, images=[*IMAGES, {**IMAGES[0], "file_name": "twin.jpg"}]
    )
    found, problems = read(put("i.json", content))
    reasons = rows_of_problems(problems)
    assert list(reasons) == [
        "category 4",
        "category 5",
        "category 18",
        "image 9",
        "annotation 1",
        "annotation 2",
        "annotation 4",
        "annotation 3",
    ]
    assert "empty" in reasons["category 4"] and "no name" in reasons["category 5"]
    assert "77" in reasons["annotation 2"] and "99" in reasons["annotation 3"]
    assert "earlier annotation" in reasons["annotation 1"] and "earlier image" in reasons["image 9"]
    assert [scene.image.path for scene in found] == ["000000000009.jpg", "000000000025.jpg"]
    assert [[item.name for item in scene.objects] for scene in found] == [["dog"], []]
    # An object of unknown class is gone from both: any class may lack one.
    assert [scene.exhaustive_classes for scene in found] == [frozenset(), frozenset()]


def test_text_that_is_not_utf8_is_one_bad_row(put, read) -> None:
    rows = [{"image_id": 9, "id": i, "caption": f"number {i}, na\u00efve"} for i in range(3)]
    import json

    text = json.dumps({"images": IMAGES, "annotations": rows}, ensure_ascii=False).encode()
    path = put("c.json", text.replace(b"number 1, na\xc3\xafve", b"number 1, na\xefve"))
    found, problems = read(path)
    assert [problem.row for problem in problems] == ["annotation 1"] and "UTF-8" in problems[0].reason
    assert found[0].captions == ("number 0, na\u00efve", "number 2, na\u00efve")


def test_captions_that_are_empty_or_half_a_character(put, read) -> None:
    texts = ["fine", " ", None, 5, "\ud83d"]
    rows = [{"image_id": 9, "id": i, "caption": text} for i, text in enumerate(texts)]
    found, problems = read(put("c.json", {"images": IMAGES, "annotations": rows}))
    assert [problem.row for problem in problems] == [f"annotation {i}" for i in (1, 2, 3, 4)]
    assert found[0].captions == ("fine",)


def test_images_that_are_missing_or_elsewhere(put, read, tmp_path) -> None:
    from PIL import Image

    (tmp_path / "images").mkdir()
    Image.new("RGB", (33, 22)).save(tmp_path / "images/there.png")
    (tmp_path / "secret.png").write_bytes(b"x")
    rows = [
        {"id": 1, "file_name": "there.png"},
        {"id": 2, "file_name": "gone.png", "width": 5, "height": 5},
        {"id": 3, "file_name": "../secret.png", "width": 5, "height": 5},
        {"id": 4, "file_name": "/etc/passwd", "width": 5, "height": 5},
        {"id": 5, "file_name": "C:\\x.png", "width": 5, "height": 5},
        {"id": 6, "width": 5, "height": 5},
        {"id": 7, "file_name": "there.png", "width": -5, "height": 5},
    ]
    path = put("c.json", {"images": rows, "annotations": [{"id": 1, "image_id": 1, "caption": "a"}]})
    found, problems = read(path, images=tmp_path / "images")
    assert [(scene.id, scene.width, scene.height) for scene in found] == [("1", 33, 22)]
    assert [problem.row for problem in problems] == [f"image {i}" for i in (2, 3, 4, 5, 6, 7)]
    assert "does not exist" in problems[0].reason
    # Without the folder nothing is missing, but no path may climb either.
    found, problems = read(path)
    assert [scene.id for scene in found] == ["1", "2"] and found[0].width == 0
    assert [problem.row for problem in problems] == [f"image {i}" for i in (3, 4, 5, 6, 7)]


def test_lvis_says_itself_which_classes_were_checked(put, read) -> None:
    image = {
        "id": 9,
        "width": 640,
        "height": 480,
        "coco_url": "http://images.cocodataset.org/val2017/000000000009.jpg",
    }
    image |= {"neg_category_ids": [90], "not_exhaustive_category_ids": [1]}
    rows = [annotation(1, 9, 18, [0, 0, 5, 5]), annotation(2, 9, 1, [0, 0, 5, 5])]
    found, problems = read(put("lvis_v1_val.json", instances(*rows, images=[image])))
    assert problems == [] and found[0].exhaustive_classes == {"dog", "cat"}
    assert found[0].image.path == "val2017/000000000009.jpg"


def test_captions_beside_lvis_claim_none_of_its_classes(put, read) -> None:
    """The captions' row of an image says nothing of classes, and must not hide what LVIS's row says."""
    image = {**IMAGES[0], "neg_category_ids": [90], "not_exhaustive_category_ids": [1]}
    rows = [annotation(1, 9, 1, [0, 0, 5, 5])]
    lvis = put("lvis_v1_val.json", instances(*rows, images=[image]))
    told = {"images": IMAGES, "annotations": [{"image_id": 9, "id": 7, "caption": "A room."}]}
    captions = put("captions_val2017.json", told)
    for paths in ((captions, lvis), (lvis, captions), (lvis.parent,)):
        found, problems = read(*paths)
        assert problems == []
        # Nobody looked for a dog, and not all people are marked.
        assert {scene.id: scene.exhaustive_classes for scene in found} == {"9": {"cat"}, "25": frozenset()}


def test_what_two_files_annotate_is_not_counted(put, read) -> None:
    """The same person may stand in both; a class of one file alone is still complete."""
    helmets = [{"id": 1, "name": "helmet"}, {"id": 2, "name": "person"}]
    one = put("instances_a.json", instances(annotation(1, 9, 1, [0, 0, 50, 50])))
    rows = [annotation(1000, 9, 2, [0, 0, 51, 50]), annotation(1001, 9, 1, [0, 0, 9, 9])]
    two = put("instances_b.json", instances(*rows, categories=helmets))
    for paths in ((one, two), (two, one)):
        found, problems = read(*paths)
        assert problems == []
        person = next(scene for scene in found if scene.id == "9")
        assert len(person.of_class("person")) == 2
        assert person.exhaustive_classes == {"dog", "cat", "helmet"}


def test_panoptic_things_can_be_counted_and_stuff_cannot(put, read) -> None:
    categories = [{**CATEGORIES[1], "isthing": 1}, {"id": 187, "name": "sky-other-merged", "isthing": 0}]
    segments = [
        {"id": 3937500, "category_id": 18, "iscrowd": 0, "bbox": [1, 2, 3, 4], "area": 10},
        {"id": 5069153, "category_id": 187, "iscrowd": 0, "bbox": [0, 0, 640, 200], "area": 10},
        {"id": 6, "category_id": 18, "iscrowd": 0, "bbox": [0, 0, 0, 200], "area": 10},
    ]
    rows = [{"image_id": 9, "file_name": "000000000009.png", "segments_info": segments}]
    content = {"images": IMAGES, "annotations": rows, "categories": categories}
    path = put("panoptic_val2017.json", content)
    found, problems = read(path)
    assert [(item.name, item.source) for item in found[0].objects] == [
        ("dog", {}),
        ("sky-other-merged", {"is_thing": False}),
    ]
    assert "segment 6: the box has no area" in problems[0].reason
    assert [scene.exhaustive_classes for scene in found] == [frozenset(), {"dog"}]
    with pytest.raises(UserError, match="twice"):
        read(path, put("instances_val2017.json", instances(annotation(1, 9, 18, [0, 0, 5, 5]))))


def test_an_object_lost_before_its_class_is_known_withdraws_the_promise(put, read) -> None:
    good = annotation(1, 9, 18, [0, 0, 5, 5])
    found, problems = read(put("i.json", instances(good, annotation(1, 25, 18, [9, 9, 5, 5]))))
    assert len(problems) == 1
    assert [scene.exhaustive_classes for scene in found] == [{"person", "dog", "cat"}, frozenset()]
    # Without an image it could be anywhere.
    found, problems = read(put("i.json", instances(good, annotation(2, None, 18, [9, 9, 5, 5]))))
    assert [problem.row for problem in problems] == ["annotation 2"]
    assert [scene.exhaustive_classes for scene in found] == [frozenset(), frozenset()]
