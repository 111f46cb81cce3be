"""What miniworld exports, the readers read back into equal scenes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data_builders.draws import Draws
from data_builders.miniworld.captions import coco_captions
from data_builders.miniworld.formats import coco
from data_builders.miniworld.formats import visual_genome as vg
from data_builders.miniworld.painting import visible_masks
from data_builders.miniworld.vocabulary import CLASSES
from data_builders.readers import detect
from data_builders.readers.outlines import mask_of
from data_builders.scenes import Region, Relation
from mmtune.records import ImageRef

COUNT = 40


def test_coco_gives_objects_masks_and_captions_back(scenes, put, read) -> None:
    images, instances, captions, expected = [], [], [], []
    for index, scene in enumerate(scenes[:COUNT], start=1):
        masks = visible_masks(scene)
        said = coco_captions(scene, Draws(1, index))
        rows = coco.instance_rows(scene, index, masks)
        images.append(coco.image_row(scene, index, f"{index}.png"))
        instances += rows
        captions += coco.caption_rows(said, index)
        objects = [
            replace(
                item,
                id=str(row["id"]),
                attributes=(),
                depth=None,
                text=None,
                source={},
                mask=mask_of(row["segmentation"], (scene.width, scene.height)),
            )
            for item, row in zip(scene.objects, rows, strict=True)
        ]
        expected.append(
            replace(
                scene,
                id=str(index),
                image=ImageRef(f"{index}.png"),
                objects=tuple(objects),
                relations=(),
                captions=tuple(said),
                exhaustive_classes=frozenset(CLASSES),
                licence="CC0-1.0",
                source={"format": "coco", "image_id": index},
            )
        )
    # Annotations of an image need not stand together.
    instances.sort(key=lambda row: row["id"] % 10)
    one = put(
        "coco/instances_test.json", {**coco.instances_head({}), "images": images, "annotations": instances}
    )
    put(
        "coco/captions_test.json", {**coco.captions_head({}), "annotations": captions, "images": images[::-1]}
    )
    found, problems = read(one.parent)
    assert problems == []
    assert found == [strip_attribute_claims(scene) for scene in expected]


def test_every_file_of_visual_genome_gives_the_scene_back(scenes, put, read) -> None:
    rows: dict[str, list] = {}
    expected = []
    for index, scene in enumerate(scenes[:COUNT], start=1):
        rows.setdefault("image_data", []).append(vg.image_row(scene, index, f"test/{index}.png"))
        rows.setdefault("scene_graphs", []).append(vg.scene_graph_row(scene, index))
        rows.setdefault("attributes", []).append(vg.attributes_row(scene, index))
        rows.setdefault("relationships", []).append(vg.relationships_row(scene, index))
        rows.setdefault("region_descriptions", []).append(vg.regions_row(scene, index))
        regions = rows["region_descriptions"][-1]["regions"]
        ids = {item.id: str(index * 10 + number) for number, item in enumerate(scene.objects)}
        expected.append(
            replace(
                scene,
                id=str(index),
                image=ImageRef(f"test/{index}.png"),
                objects=tuple(
                    replace(item, id=ids[item.id], depth=None, text=None, source={}) for item in scene.objects
                ),
                relations=tuple(
                    Relation(ids[item.subject], item.predicate, ids[item.object]) for item in scene.relations
                ),
                exhaustive_classes=frozenset(),
                licence="",
                source={"format": "visual_genome", "image_id": index},
                regions=tuple(
                    Region(ids[item.id], row["phrase"], item.box_xyxy)
                    for item, row in zip(scene.objects, regions, strict=True)
                ),
            )
        )
    expected = [strip_attribute_claims(scene) for scene in expected]
    for name, content in rows.items():
        # Files need not have their images in one order.
        path = put(f"vg/{name}.json", content[::-1] if name == "attributes" else content)
    assert detect([path.parent]) == "visual_genome"
    found, problems = read(path.parent)
    assert problems == [] and found == expected
    # Without the graphs: objects come out of attributes.json, relations out of relationships.json.
    (path.parent / "scene_graphs.json").unlink()
    found, problems = read(path.parent)
    assert problems == [] and found == expected
    # Without attributes.json: objects come out of the ends of their relations, where they have one.
    paths = [path.parent / f"{name}.json" for name in ("image_data", "relationships")]
    found, problems = read(*paths)
    assert problems == []
    for one, other in zip(found, expected, strict=True):
        assert set(one.relations) == set(other.relations)
        assert {(item.id, item.name, item.box_xyxy) for item in one.objects} == {
            (item.id, item.name, item.box_xyxy)
            for item in other.objects
            if any(item.id in (relation.subject, relation.object) for relation in other.relations)
        }


def test_scenes_themselves(scenes, tmp_path, read) -> None:
    from data_builders.scenes import write_scenes

    write_scenes(tmp_path / "scenes.jsonl", scenes[:COUNT])
    assert read(tmp_path / "scenes.jsonl") == (scenes[:COUNT], [])


@pytest.mark.parametrize("merge_iou", [0.9, 2.0])
def test_no_two_shapes_are_taken_for_one(scenes, put, read, merge_iou) -> None:
    rows = [vg.scene_graph_row(scene, index) for index, scene in enumerate(scenes, start=1)]
    found, problems = read(put("graphs.json", rows), merge_iou=merge_iou)
    assert problems == []
    assert [len(scene.objects) for scene in found] == [len(scene.objects) for scene in scenes]


def strip_attribute_claims(scene):
    """Neither format says of which attributes it tells all values."""
    if hasattr(scene, "exhaustive_attributes"):
        return replace(scene, exhaustive_attributes=frozenset())
    return scene
