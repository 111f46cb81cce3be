"""What people said: Localized Narratives, Flickr30k, LLaVA's conversations and contexts."""

from __future__ import annotations

import pytest
from PIL import Image

from data_builders.frames import ORIGINAL, Frame
from data_builders.readers import detect
from data_builders.readers.llava import record_of
from data_builders.scenes import Region
from mmtune.errors import UserError
from mmtune.records import ImageRef, parse_llava

NARRATIVE = {
    "dataset_id": "mscoco_val2017",
    "image_id": "137576",
    "annotator_id": 93,
    "caption": "In this image there are group of cows.",
    "timed_caption": [
        {"utterance": "In this", "start_time": 0.0, "end_time": 0.4},
        {"utterance": "group of cows.", "start_time": 0.5, "end_time": 1.0},
        {"utterance": "standing", "start_time": 5.0, "end_time": 6.0},
    ],
    "traces": [
        [{"x": 0.2086, "y": -0.0533, "t": 0.022}, {"x": 0.2086, "y": -0.0533, "t": 0.022}],
        [{"x": 0.25, "y": 0.5, "t": 0.6}, {"x": 1.04, "y": 0.75, "t": 0.9}],
    ],
    "voice_recording": "coco_val/coco_val_137576_93.ogg",
}


def test_localized_narratives_with_the_pointers_way(put, read, tmp_path) -> None:
    path = put(
        "coco_val_localized_narratives.jsonl", [NARRATIVE, {**NARRATIVE, "annotator_id": 5}, NARRATIVE]
    )
    found, problems = read(path)
    assert [(scene.id, scene.image.path) for scene in found] == [
        ("137576-93", "000000137576.jpg"),
        ("137576-5", "000000137576.jpg"),
    ]
    assert [problem.row for problem in problems] == ["scene 137576-93"]
    assert found[0].captions == (NARRATIVE["caption"],) and found[0].regions == ()
    assert found[0].source["traces"] == NARRATIVE["traces"] and found[0].licence == ""
    (tmp_path / "images/val2017").mkdir(parents=True)
    Image.new("RGB", (200, 100)).save(tmp_path / "images/val2017/000000137576.jpg")
    found, _ = read(path, images=tmp_path / "images")
    assert found[0].regions == (Region("u1", "group of cows.", (50, 50, 200, 75)),)
    assert found[0].image == ImageRef("val2017/000000137576.jpg")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"caption": ""}, "empty"),
        ({"image_id": None}, "no image_id"),
        ({"timed_caption": [{"utterance": "x"}]}, "no text or times"),
        ({"traces": [[{"x": 0.5}]]}, "no x, y and t"),
        ({"traces": [[{"x": float("nan"), "y": 0, "t": 0}]]}, "not finite"),
        ({"traces": [None, 5]}, "a trace is a int"),
        ({"traces": [[{"x": 10**400, "y": 0, "t": 0}]]}, "no x, y and t"),
        ({"timed_caption": [{"utterance": "x", "start_time": 10**400, "end_time": 1}]}, "no text or times"),
        ({"timed_caption": [{"utterance": "x", "start_time": float("nan"), "end_time": 1}]}, "not finite"),
        ({"voice_recording": "\ud83d"}, "surrogate"),
        ({"image_id": "7"}, "does not exist"),
    ],
)
def test_bad_narratives_are_reported(put, read, tmp_path, damage, reason) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (200, 100)).save(tmp_path / "images/000000137576.jpg")
    found, problems = read(
        put("n.jsonl", [NARRATIVE, {**NARRATIVE, "annotator_id": 1, **damage}]), images=tmp_path / "images"
    )
    assert len(found) == 1 and [problem.row.split(",")[0] for problem in problems] == ["line 2"]
    assert reason in problems[0].reason


TOKENS = (
    "1000092795.jpg#0\tTwo young guys with shaggy hair look at their hands .\n"
    "1000092795.jpg#1\tTwo men in green shirts .\n"
    "10002456.jpg#0\tSeveral men in hard hats .\n"
    "broken line\n"
    "10002456.jpg#1\t \n"
    "1000092795.jpg#2\tA man in a blue shirt .\n"
)


def test_flickr30ks_token_file(put, read) -> None:
    path = put("results_20130124.token", TOKENS)
    assert detect([path]) == "flickr30k"
    found, problems = read(path)
    assert [(scene.id, len(scene.captions)) for scene in found] == [("1000092795", 3), ("10002456", 1)]
    assert [problem.row for problem in problems] == ["line 4", "line 5"]


def test_karpathys_json(put, read) -> None:
    sentences = [{"tokens": ["two", "men"], "raw": "Two men.", "imgid": 0, "sentid": 0}, {"raw": ""}]
    images = [
        {"sentids": [0], "imgid": 0, "sentences": sentences, "split": "train", "filename": "1.jpg"},
        {"imgid": 1, "sentences": sentences[:1], "split": "test", "filename": "2.jpg", "filepath": "val2014"},
        {"imgid": 2, "sentences": [], "split": "test", "filename": "3.jpg"},
    ]
    path = put("dataset_flickr30k.json", {"images": images, "dataset": "flickr30k"})
    assert detect([path]) == "flickr30k"
    found, problems = read(path)
    assert [(scene.image.path, scene.captions, scene.source["split"]) for scene in found] == [
        ("1.jpg", ("Two men.",), "train"),
        ("val2014/2.jpg", ("Two men.",), "test"),
    ]
    assert [problem.row for problem in problems] == ["image 0, sentence number 1", "image 2"]


def xml(*objects: str) -> str:
    head = "<annotation><filename>1.jpg</filename><size><width>500</width><height>300</height><depth>3</depth></size>"
    return head + "".join(f"<object>{item}</object>" for item in objects) + "</annotation>"


def bounds(*corners: int) -> str:
    names = ("xmin", "ymin", "xmax", "ymax")
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in zip(names, corners, strict=True))
    return f"<bndbox>{inner}</bndbox>"


def test_flickr30k_entities_join_phrases_and_boxes(put, read) -> None:
    put(
        "Sentences/1.txt",
        "[/EN#1/people Two guys] in [/EN#2/scene a yard] look at [/EN#3/bodyparts their hands] "
        "by [/EN#4/other a fence] .\n",
    )
    objects = [
        "<name>1</name>" + bounds(10, 20, 110, 220),
        "<name>1</name>" + bounds(200, 20, 300, 220),
        "<name>2</name><scene>1</scene><nobndbox>0</nobndbox>",
        "<name>3</name>" + bounds(50, 60, 40, 70),
        "<name>4</name>" + bounds(1, 1, 500, 300),
    ]
    folder = put("Annotations/1.xml", xml(*objects)).parent.parent
    assert detect([folder]) == "flickr30k"
    found, problems = read(folder)
    (scene,) = found
    assert scene.captions == ("Two guys in a yard look at their hands by a fence .",)
    assert [(item.id, item.name, item.box_xyxy) for item in scene.objects] == [
        # The first pixel of a row is 1 there, and the last one of a box still belongs to it.
        ("e0", "person", (9, 19, 110, 220)),
        ("e1", "person", (199, 19, 300, 220)),
        ("e2", "a fence", (0, 0, 500, 300)),
    ]
    assert scene.regions == (
        Region("s1p0", "Two guys", (9, 19, 300, 220), ("e0", "e1")),
        Region("s1p3", "a fence", (0, 0, 500, 300), ("e2",)),
    )
    assert [problem.row for problem in problems] == ["image 1, object number 3"]
    tokens = put("results.token", "1.jpg#0\tTwo guys .\n2.jpg#0\tNobody .\n")
    found, problems = read(tokens, folder)
    assert [(scene.captions, len(scene.objects)) for scene in found] == [(("Two guys .",), 3)]
    assert "no boxes" in problems[-1].reason or "no sentences" in problems[-1].reason
    put("Annotations/1.xml", "<annotation>")
    with pytest.raises(UserError, match="malformed"):
        read(folder)


CONVERSATION = {
    "id": "000000033471",
    "image": "coco/train2017/000000033471.jpg",
    "conversations": [
        {"from": "human", "value": "<image>\nWhat are the colors of the bus?"},
        {"from": "gpt", "value": "White and red."},
    ],
    "license": "CC-BY-4.0",
}


@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_conversations_come_back_as_their_records(put, read, name) -> None:
    text = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    two = {
        "id": "two",
        "image": ["a.jpg", "b.jpg"],
        "conversations": [{"from": "human", "value": "<image><image>Same?"}, {"from": "gpt", "value": "No"}],
    }
    bad = [{**CONVERSATION, "id": "bad", "image": None}, {**CONVERSATION, "id": "out", "image": "../x.jpg"}]
    path = put(name, [CONVERSATION, text, *bad, two])
    assert detect([path]) == "llava"
    found, problems = read(path)
    assert [record_of(scene) for scene in found] == [
        parse_llava(CONVERSATION, 0),
        parse_llava({"id": "1", **text}, 1),
        parse_llava(two, 4),
    ]
    assert [scene.image for scene in found] == [ImageRef(CONVERSATION["image"]), None, None]
    assert found[0].licence == "CC-BY-4.0"
    first = 2 if name == "x.json" else 3
    assert [problem.row for problem in problems] == [
        f"{'row' if name == 'x.json' else 'line'} {first + i}, id {row}"
        for i, row in enumerate(("bad", "out"))
    ]


def test_contexts_state_the_frame_of_their_boxes(put, read, tmp_path) -> None:
    instances = [{"category": "Dog", "bbox": [0.1, 0.25, 0.5, 1.001]}]
    rows = [{"id": 1, "image": "a.png", "captions": ["A dog.", "One dog."], "instances": instances}]
    path = put("caps_boxes.jsonl", rows)
    assert detect([path]) == "llava"
    (scene,), _ = read(path)
    assert scene.frame == Frame(size=(1, 1)) and scene.objects[0].box_xyxy == (0.1, 0.25, 0.5, 1)
    Image.new("RGB", (200, 100)).save(tmp_path / "a.png")
    (known,), problems = read(path, images=tmp_path)
    assert problems == [] and known.frame == ORIGINAL
    assert known.objects[0].box_xyxy == pytest.approx((20, 25, 100, 100)) and known.captions == (
        "A dog.",
        "One dog.",
    )
    from dataclasses import replace

    measured = replace(scene, width=200, height=100).in_frame(ORIGINAL)
    assert measured.objects[0].box_xyxy == pytest.approx(known.objects[0].box_xyxy)
    rows[0]["instances"] = [{"category": "dog", "bbox": [0.5, 0.1, 0.1, 0.2]}]
    with pytest.raises(UserError, match="instance number 0"):
        read(put("bad.jsonl", rows))
