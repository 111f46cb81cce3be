from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from data_builders.draws import Draws
from data_builders.miniworld.backgrounds import CROPS, available_photos, photo_crop
from data_builders.miniworld.describing import color_of
from data_builders.miniworld.handwriting import load_scans, samples_of
from data_builders.miniworld.lettering import word_stencil
from data_builders.miniworld.painting import footprint, full_area, paint, visible_masks
from data_builders.miniworld.resampling import resample
from data_builders.miniworld.vocabulary import CLASSES, COLORS, SHAPES, WORDS
from data_builders.miniworld.world import SPLITS, World, WorldSettings
from data_builders.scenes import scene_from_json
from mmtune.errors import UserError

_HASH = """
import hashlib, json, sys
from data_builders.miniworld.world import World, WorldSettings
digest = hashlib.sha256()
world = World(WorldSettings(photo_share=float(sys.argv[1])), split=sys.argv[2], seed=11)
for index in range(25):
    scene = world.scene(index)
    digest.update(json.dumps(scene.to_json(), sort_keys=True).encode())
    digest.update(world.render(scene).tobytes())
print(digest.hexdigest())
"""
# Pixels and truth of 25 scenes without photographs: the same on every machine, process and version.
_PLAIN_TRAIN = "b054e8fa34c95a033c8156d4659b95ccb79559b61df5321a27a554392cec4cd0"


def _world_hash(photo_share: float, split: str) -> str:
    digest = hashlib.sha256()
    world = World(WorldSettings(photo_share=photo_share), split=split, seed=11)
    for index in reversed(range(25)):  # any order: a scene depends on nothing but seed and index
        world.scene(index)
    for index in range(25):
        scene = world.scene(index)
        digest.update(json.dumps(scene.to_json(), sort_keys=True).encode())
        digest.update(world.render(scene).tobytes())
    return digest.hexdigest()


def test_scenes_are_the_same_in_another_process(root) -> None:
    command = [sys.executable, "-c", _HASH, "0.5", "test"]
    other = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    assert other == _world_hash(0.5, "test")


def test_scenes_are_the_same_on_every_machine() -> None:
    assert _world_hash(0.0, "train") == _PLAIN_TRAIN


def test_seeds_and_splits_give_other_scenes() -> None:
    drawn = [World(split=split, seed=seed).scene(0) for split in SPLITS for seed in (0, 1)]
    assert len({json.dumps(scene.to_json()["objects"]) for scene in drawn}) == len(drawn)


def test_a_scene_alone_is_enough_to_draw_it(scenes) -> None:
    for scene in scenes[:20]:
        again = scene_from_json(json.loads(json.dumps(scene.to_json())))
        assert np.array_equal(paint(scene), paint(again))


def test_no_handwriting_is_in_two_splits() -> None:
    _, labels = load_scans()
    used = [sample for split in SPLITS for group in samples_of(split) for sample in group]
    assert len(used) == len(set(used)) == len(labels)
    for split in SPLITS:
        for digit, group in enumerate(samples_of(split)):
            assert len(group) >= 5
            assert all(labels[sample] == digit for sample in group)


def test_scenes_show_only_their_own_splits_handwriting() -> None:
    _, labels = load_scans()
    for split in SPLITS:
        allowed = {sample for group in samples_of(split) for sample in group}
        shown = Counter()
        for index in range(120):
            for item in World(split=split).scene(index).of_class("digit"):
                shown[item.source["sample"]] += 1
                assert str(labels[item.source["sample"]]) == item.text
        assert shown
        assert set(shown) <= allowed


def test_boxes_masks_and_visibility_agree(scenes) -> None:
    for scene in scenes:
        masks = visible_masks(scene)
        assert sum(mask.astype(int) for mask in masks.values()).max() == 1
        assert sorted(item.depth for item in scene.objects) == list(range(len(scene.objects)))
        for item in scene.objects:
            rows, columns = np.nonzero(masks[item.id])
            assert item.box_xyxy == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert masks[item.id].sum() >= 0.7 * full_area(item.source)
            x, y = item.source["x"], item.source["y"]
            width, height = footprint(item.source)
            assert x >= 1 and y >= 1 and x + width < scene.width and y + height < scene.height


def test_pictures_show_the_objects_colours(scenes) -> None:
    for scene in scenes:
        picture, masks = paint(scene).astype(int), visible_masks(scene)
        for item in scene.objects:
            pixels = picture[masks[item.id]]
            ink = np.array(item.source["rgb"])
            share = (abs(pixels - ink).max(axis=1) <= 2).mean()
            assert share > (0.5 if item.name in SHAPES else 0.05), (scene.id, item)
            nearest = min(COLORS, key=lambda name: abs(np.array(COLORS[name]) - ink).sum())
            assert nearest == color_of(item)


def test_scenes_hold_what_the_settings_say() -> None:
    world = World(seed=2)
    drawn = [world.scene(index) for index in range(400)]
    counts = Counter(len(scene.objects) for scene in drawn)
    assert set(counts) == {2, 3, 4, 5}
    most = Counter(max(Counter(item.name for item in scene.objects).values()) for scene in drawn)
    assert all(most[number] >= 25 for number in (1, 2, 3, 4))
    present = Counter(name for scene in drawn for name in {item.name for item in scene.objects})
    assert set(present) == set(CLASSES)
    # Frequencies differ on purpose, so that POPE's popular split differs from its random one.
    assert present.most_common()[0][1] > 2 * present.most_common()[-1][1]
    assert all(len(scene.of_class("word")) <= 1 for scene in drawn)


def test_relations_follow_from_the_boxes(scenes) -> None:
    for scene in scenes:
        relations = {(r.subject, r.predicate, r.object) for r in scene.relations}
        for one in scene.objects:
            for two in scene.objects:
                dx, dy = two.center[0] - one.center[0], two.center[1] - one.center[1]
                assert ((one.id, "left of", two.id) in relations) == (dx >= 12)
                assert ((one.id, "right of", two.id) in relations) == (dx <= -12)
                assert ((one.id, "above", two.id) in relations) == (dy >= 12)
                assert ((one.id, "below", two.id) in relations) == (dy <= -12)


@pytest.mark.parametrize("size", [64, 224])
def test_everything_scales_with_the_size(size: int) -> None:
    world = World(WorldSettings(size=size), seed=1)
    for index in range(20):
        scene = world.scene(index)
        assert world.render(scene).shape == (size, size, 3)
        assert len(scene.objects) >= 2
        for item in scene.objects:
            if "small" in item.attributes and item.name in SHAPES:
                assert 0.1 < (item.box_xyxy[3] - item.box_xyxy[1]) / size < 0.25


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(UserError, match="unknown miniworld split 'validation'"):
        World(split="validation")
    with pytest.raises(UserError, match="too small"):
        WorldSettings(size=16)


def test_photographs_of_the_splits_do_not_overlap() -> None:
    assert available_photos(), "scikit-learn ships two photographs"
    name = available_photos()[0]
    crops = {split: [photo_crop(name, split, n, 96) for n in range(CROPS[split])] for split in SPLITS}
    assert all(crop.shape == (96, 96, 3) for found in crops.values() for crop in found)
    seen = [crop.tobytes() for found in crops.values() for crop in found]
    assert len(set(seen)) == len(seen)


def test_missing_photograph_is_a_users_error(monkeypatch) -> None:
    from data_builders.miniworld import backgrounds

    monkeypatch.setattr(backgrounds, "_PHOTOS", {"moonscape": ("skimage", "data/no_such_file.png")})
    backgrounds.available_photos.cache_clear()
    try:
        assert backgrounds.available_photos() == ()
        assert "plain" in World(WorldSettings(photo_share=1.0)).scene(0).source
        with pytest.raises(UserError, match="'moonscape' of scikit-image is missing"):
            backgrounds.photo_crop("moonscape", "train", 0, 96)
    finally:
        backgrounds.available_photos.cache_clear()


def test_words_differ_in_their_pixels() -> None:
    drawn = {word: word_stencil(word, 13) for word in WORDS}
    assert all(stencil.shape[0] == 13 for stencil in drawn.values())
    assert len({stencil.tobytes() for stencil in drawn.values()}) == len(WORDS)


def test_resampling_keeps_constants_and_means() -> None:
    assert (resample(np.full((8, 8), 7), 29, 31) == 7).all()
    ramp = np.arange(64).reshape(8, 8)
    assert np.array_equal(resample(ramp, 8, 8), ramp)
    assert abs(resample(np.arange(10000).reshape(100, 100), 10, 10).mean() - 4999.5) < 2


def test_draws_are_even() -> None:
    draws = Draws(3, 1)
    counts = Counter(draws.below(5) for _ in range(5000))
    assert all(abs(counts[value] - 1000) < 120 for value in range(5))
    weights = Counter(draws.weighted("ab", (3, 1)) for _ in range(4000))
    assert abs(weights["a"] - 3000) < 120
    assert Draws(3, 1).sample(range(50), 50) != Draws(3, 2).sample(range(50), 50)
