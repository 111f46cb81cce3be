"""Fingerprints and windows: a copy is found, a picture that only looks alike is not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from data_builders.curate.image_align import picture_of
from data_builders.curate.image_hash import HashIndex, distance, perceptual_hash
from data_builders.curate.image_match import MatchSettings, WindowIndex, difference
from data_builders.miniworld.world import World


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    world = World(split="test", seed=9)
    return [Image.fromarray(world.render(world.scene(index))) for index in range(24)]


def reencoded(picture: Image.Image, quality: int = 60) -> Image.Image:
    buffer = io.BytesIO()
    picture.resize((150, 131)).save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def test_a_hash_survives_a_new_encoding(pictures):
    assert max(distance(perceptual_hash(one), perceptual_hash(reencoded(one))) for one in pictures) <= 8


@pytest.mark.parametrize("threshold", [0, 3, 5, 8, 11])
def test_the_hash_index_misses_none_and_adds_none(threshold):
    random = np.random.RandomState(threshold)
    values = [int(one) for one in random.randint(0, 2**63, 40, dtype=np.int64)]
    for value in values[:20]:
        flipped = random.choice(64, random.randint(0, 13), replace=False)
        values.append(value ^ sum(1 << int(bit) for bit in flipped))
    index = HashIndex(threshold)
    for place, value in enumerate(values):
        expected = [i for i in range(place) if distance(values[i], value) <= threshold]
        assert index.near(value) == expected
        index.add(value, place)


def test_a_crop_is_found_and_its_window_too(pictures):
    index = WindowIndex([picture_of(one) for one in pictures])
    for number, picture in enumerate(pictures):
        crop = picture.crop((12, 7, 92, 90))
        found = [match for match in index.find_all(picture_of(crop)) if match.index == number]
        assert found, number
        assert np.allclose(found[0].window, (12 / 96, 7 / 96, 92 / 96, 90 / 96), atol=0.03)


def test_other_pictures_are_not_found(pictures):
    index = WindowIndex([picture_of(one) for one in pictures[:12]])
    assert not any(index.find_all(picture_of(one)) for one in pictures[12:])


def test_one_object_in_another_colour_is_another_picture(pictures):
    picture = np.asarray(pictures[0]).copy()
    picture[40:56, 40:56] = 255 - picture[40:56, 40:56]
    changed = picture_of(Image.fromarray(picture))
    assert difference(picture_of(pictures[0]), changed) > MatchSettings().difference
    assert (
        difference(picture_of(pictures[0]), picture_of(reencoded(pictures[0]))) < MatchSettings().difference
    )


def test_pictures_of_one_colour_match_by_that_colour():
    plain = [picture_of(Image.new("RGB", (50, 40), colour)) for colour in ("red", "navy")]
    index = WindowIndex(plain)
    assert [match.index for match in index.find_all(picture_of(Image.new("RGB", (20, 90), "navy")))] == [1]
    assert index.find_all(picture_of(Image.new("RGB", (20, 20), "white"))) == []


def test_a_crop_is_not_stretched_to_hide_what_differs():
    # On an empty ground, stretching could push the circle that differs out of the window.
    def drawn(colour: str) -> Image.Image:
        picture = Image.new("RGB", (96, 96), (125, 120, 130))
        draw = ImageDraw.Draw(picture)
        draw.ellipse((10, 4, 26, 20), fill=colour)
        draw.rectangle((9, 65, 23, 90), fill="gold")
        return picture

    index = WindowIndex([picture_of(drawn("white"))])
    assert index.find_all(picture_of(drawn("#7d8a85"))) == []
    assert len(index.find_all(picture_of(drawn("white").resize((120, 80))))) == 1


def test_all_copies_of_a_picture_are_found_however_many():
    noise = np.random.RandomState(0).randint(0, 255, (8, 8, 3), dtype=np.uint8)
    original = Image.fromarray(noise).resize((200, 200), Image.Resampling.BICUBIC)
    copies = [picture_of(original.resize((100 + 10 * number,) * 2)) for number in range(20)]
    found = WindowIndex(copies).find_all(picture_of(original))
    assert [match.index for match in found] == list(range(20))
