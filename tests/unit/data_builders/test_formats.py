from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.draws import Draws
from data_builders.miniworld.conversations import quiz
from data_builders.miniworld.formats import coco, pope, vqa
from data_builders.miniworld.formats import visual_genome as vg
from data_builders.miniworld.formats.numbering import file_name, image_id
from data_builders.miniworld.formats.outlines import outlines, run_lengths, segmentation
from data_builders.miniworld.painting import visible_masks
from data_builders.miniworld.questions.balance import Ledger
from data_builders.miniworld.vocabulary import CLASSES
from data_builders.miniworld.world import SPLITS

_masks = st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=6).map(np.array)


def _fill(loops, height: int, width: int) -> np.ndarray:
    """The pixels whose centres the loops enclose an odd number of times: upright sides left of the centre."""
    inside = np.zeros((height, width), dtype=bool)
    for loop in loops:
        for (x0, y0), (x1, y1) in zip(loop, [*loop[1:], loop[0]], strict=True):
            assert (x0 == x1) != (y0 == y1)
            if x0 == x1:
                inside[min(y0, y1) : max(y0, y1), x0:] ^= True
    return inside


def _decode(counts: list[int], height: int, width: int) -> np.ndarray:
    flat = np.concatenate([np.full(run, k % 2, dtype=bool) for k, run in enumerate(counts)])
    return flat.reshape(width, height).T


@settings(max_examples=150, deadline=None, derandomize=True)
@given(_masks)
def test_outlines_and_runs_give_the_mask_back(mask: np.ndarray) -> None:
    assert np.array_equal(_fill(outlines(mask), *mask.shape), mask)
    assert np.array_equal(_decode(run_lengths(mask), *mask.shape), mask)
    corners = [point for loop in outlines(mask) for point in loop]
    assert all(0 <= x <= mask.shape[1] and 0 <= y <= mask.shape[0] for x, y in corners)


def test_holes_are_written_as_runs_and_the_rest_as_polygons() -> None:
    block = np.ones((3, 4), dtype=bool)
    assert segmentation(block) == [[0, 0, 4, 0, 4, 3, 0, 3]]
    ring = block.copy()
    ring[1, 1] = False
    assert segmentation(ring) == {"size": [3, 4], "counts": [0, 4, 1, 7]}


def test_coco_instances_are_what_is_visible(scenes) -> None:
    seen = set()
    categories = {row["id"]: row["name"] for row in coco.instances_head({})["categories"]}
    assert sorted(categories.values()) == sorted(CLASSES)
    for index, scene in enumerate(scenes[:60]):
        masks = visible_masks(scene)
        for item, row in zip(scene.objects, coco.instance_rows(scene, index + 1, masks), strict=True):
            x, y, width, height = row["bbox"]
            assert (x, y, x + width, y + height) == item.box_xyxy
            assert categories[row["category_id"]] == item.name
            assert row["area"] == masks[item.id].sum() and row["iscrowd"] == 0
            shape = row["segmentation"]
            if isinstance(shape, dict):
                drawn = _decode(shape["counts"], *shape["size"])
            else:
                loops = [list(zip(flat[::2], flat[1::2], strict=True)) for flat in shape]
                assert all(len(loop) >= 3 for loop in loops)
                drawn = _fill(loops, scene.height, scene.width)
            assert np.array_equal(drawn, masks[item.id])
            assert row["id"] not in seen
            seen.add(row["id"])


def test_visual_genome_files_agree_with_each_other(scenes) -> None:
    for index, scene in enumerate(scenes[:40], start=1):
        graph = vg.scene_graph_row(scene, index)
        objects = {row["object_id"]: row for row in graph["objects"]}
        assert len(objects) == len(scene.objects)
        for row, item in zip(vg.attributes_row(scene, index)["attributes"], scene.objects, strict=True):
            assert row["attributes"] == list(item.attributes)
            assert {key: row[key] for key in objects[row["object_id"]]} == objects[row["object_id"]]
        flat = vg.relationships_row(scene, index)["relationships"]
        for short, full in zip(graph["relationships"], flat, strict=True):
            assert short["relationship_id"] == full["relationship_id"]
            assert short["subject_id"] == full["subject"]["object_id"]
            assert [full["object"]["name"]] == objects[short["object_id"]]["names"]
        regions = vg.regions_row(scene, index)["regions"]
        assert [row["region_id"] for row in regions] == list(objects)


def test_vqa_has_ten_answers_and_joins_by_id(scenes) -> None:
    ids = set()
    for index, scene in enumerate(scenes[:60]):
        number = image_id("test", index)
        questions = quiz(scene, Draws(1, index), Ledger())
        asked, answered = vqa.question_rows(questions, number), vqa.annotation_rows(questions, number)
        for question, one, two in zip(questions, asked, answered, strict=True):
            assert one["question_id"] == two["question_id"] and one["image_id"] == two["image_id"] == number
            assert one["question_id"] // 1000 == number
            assert [row["answer_id"] for row in two["answers"]] == list(range(1, 11))
            assert {row["answer"] for row in two["answers"]} == {question.answer}
            assert two["question_type"] == question.family
            ids.add(one["question_id"])
    assert len(ids) > 300


@pytest.mark.parametrize(
    ("answer", "kind"), [("yes", "yes/no"), ("no", "yes/no"), ("3", "number"), ("top left", "other")]
)
def test_answer_types(answer: str, kind: str) -> None:
    assert vqa.answer_type(answer) == kind


def test_images_are_numbered_apart() -> None:
    names = [file_name(split, image_id(split, index)) for split in SPLITS for index in (0, 1, 9_999_999)]
    assert len(set(names)) == 9
    assert file_name("train", 42) == "miniworld_train_000000000042.png"


_presence = st.lists(
    st.frozensets(st.sampled_from("abcdefgh"), min_size=1, max_size=4), min_size=12, max_size=25
).filter(lambda found: len(frozenset().union(*found)) >= 8)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(_presence, st.integers(0, 5))
def test_pope_follows_its_rules(found: list[frozenset[str]], seed: int) -> None:
    """Popularity and company counted once more here, by going through the images."""
    present = {f"{number}.png": names for number, names in enumerate(found)}
    for split in pope.SPLITS:
        rows = pope.pope_rows(present, split, seed)
        assert [row["question_id"] for row in rows] == list(range(1, len(rows) + 1))
        assert [row["label"] for row in rows] == ["yes", "no"] * (len(rows) // 2)
        images = Counter(row["image"] for row in rows)
        assert set(images) == {image for image, names in present.items() if len(names) >= 3}
        assert set(images.values()) <= {6}
        for image in images:
            names = [row["text"].split()[3] for row in rows if row["image"] == image]
            there, absent = names[::2], names[1::2]
            assert len(set(names)) == 6
            assert set(there) <= present[image] and not set(absent) & present[image]
            missing = sorted(set("abcdefgh") - present[image])
            if split == "popular":
                frequent = sorted(missing, key=lambda name: (-sum(name in other for other in found), name))
                assert absent == frequent[:3]
            elif split == "adversarial":
                taken: list[str] = []
                for name in there:
                    together = {
                        other: sum(name in names and other in names for names in found) for other in missing
                    }
                    rest = [other for other in missing if other not in taken]
                    taken.append(min(rest, key=lambda other: (-together[other], other)))
                assert absent == taken


@pytest.mark.parametrize("split", pope.SPLITS)
def test_pope_of_one_image_asks_about_classes_that_no_image_has(split: str) -> None:
    rows = pope.pope_rows({"1.png": frozenset(("star", "moon", "word"))}, split, 0)
    assert [row["label"] for row in rows] == ["yes", "no"] * 3
    absent = {row["text"].split()[3] for row in rows[1::2]}
    assert len(absent) == 3 and absent <= set(CLASSES) - {"star", "moon", "word"}


def test_pope_splits_share_the_yes_questions_and_differ_in_the_no_questions(scenes) -> None:
    present = {scene.id: frozenset(item.name for item in scene.objects) for scene in scenes}
    rows = {split: pope.pope_rows(present, split, 0) for split in pope.SPLITS}
    yes = [[row for row in found if row["label"] == "yes"] for found in rows.values()]
    assert yes[0] == yes[1] == yes[2]
    no = {split: Counter(row["text"] for row in found[1::2]) for split, found in rows.items()}
    assert len(no["random"]) == len(CLASSES)
    assert len(no["popular"]) < len(CLASSES)
    adversarial, popular = rows["adversarial"], rows["popular"]
    differing = sum(a["text"] != p["text"] for a, p in zip(adversarial, popular, strict=True))
    assert differing > len(adversarial) / 10
    assert rows["random"][0]["text"].startswith("Is there a") and rows["random"][0]["text"].endswith(
        "in the image?"
    )
