"""Which rows are said again, and which only look like it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from data_builders.curate.dedup import DedupSettings, find_duplicates
from data_builders.curate.keep import write_kept
from data_builders.engines import get_engine
from data_builders.miniworld.world import World
from mmtune.errors import UserError
from tests.planted import altered, recoloured, said_otherwise

LOCAL = get_engine("local")


def row(record_id, question, image=None, answer="Yes."):
    turns = [
        {"from": "human", "value": ("<image>\n" if image else "") + question},
        {"from": "gpt", "value": answer},
    ]
    return {"id": record_id, **({"image": image} if image else {}), "conversations": turns}


def write(path, rows):
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_planted_duplicates_are_found_and_nothing_else(tmp_path):
    random, world, rows, planted = np.random.RandomState(4), World(split="train", seed=8), [], set()
    for index in range(40):
        scene = world.scene(index)
        picture = Image.fromarray(world.render(scene))
        question = f"How many {('red', 'blue')[index % 2]} things are there?"
        for name, image in (
            ("first", picture),
            ("copy", altered(picture, random)),
            ("near", recoloured(world, scene, random)),
        ):
            image.save(tmp_path / f"{name}{index}.png")
        rows += [row(f"a{index}", question, f"first{index}.png")]
        planted.add(len(rows))
        rows += [row(f"b{index}", said_otherwise(question, random), f"copy{index}.png")]
        rows += [row(f"c{index}", question, f"near{index}.png")]
        rows += [row(f"d{index}", "Is there a tree?", f"copy{index}.png")]
    path = write(tmp_path / "rows.jsonl", rows)
    found = find_duplicates(path, DedupSettings(tmp_path, images="window"), LOCAL)
    listed = {one.row for one in found.duplicates}
    assert len(listed & planted) >= 0.98 * len(planted)
    assert len(listed & planted) >= 0.98 * len(listed)
    assert all(one.of_row == one.row - 1 for one in found.duplicates if one.row in planted)
    out = tmp_path / "kept.jsonl"
    assert write_kept(path, out, found.dropped, found.rows) == len(rows) - len(listed)
    lines = path.read_bytes().splitlines()
    assert out.read_bytes().splitlines() == [line for n, line in enumerate(lines) if n not in listed]


def test_perceptual_finds_new_encodings_and_exact_finds_equal_files(tmp_path):
    world = World(split="train", seed=2)
    pictures = [Image.fromarray(world.render(world.scene(index))) for index in range(6)]
    rows = []
    for index, picture in enumerate(pictures):
        picture.save(tmp_path / f"{index}.png")
        picture.save(tmp_path / f"again{index}.png")
        picture.resize((140, 140)).save(tmp_path / f"{index}.jpg", quality=70)
        rows += [
            row(f"{name}-{index}", "What is it?", f"{name}")
            for name in (f"{index}.png", f"again{index}.png", f"{index}.jpg")
        ]
    path = write(tmp_path / "rows.jsonl", rows)
    perceptual = find_duplicates(path, DedupSettings(tmp_path, images="perceptual"), LOCAL)
    exact = find_duplicates(path, DedupSettings(tmp_path, images="exact"), LOCAL)
    by_path = find_duplicates(path, DedupSettings(images="path"), LOCAL)
    assert [one.row for one in perceptual.duplicates] == [n for n in range(18) if n % 3]
    assert [one.row for one in exact.duplicates] == [n for n in range(18) if n % 3 == 1]
    assert exact.duplicates[0].images == [["again0.png", "0.png"]]
    assert by_path.duplicates == []


def test_pictures_of_one_colour_are_the_same_where_the_colour_is(tmp_path):
    for name, colour in (("a", (255, 255, 255)), ("b", (243, 243, 243)), ("c", (255, 255, 210))):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{name}.png")
    Image.new("RGB", (90, 90), (255, 255, 210)).save(tmp_path / "d.jpg")
    rows = [row(name, "Which colour?", name) for name in ("a.png", "b.png", "c.png", "d.jpg")]
    for rule in ("perceptual", "window"):
        found = find_duplicates(
            write(tmp_path / "r.jsonl", rows), DedupSettings(tmp_path, images=rule), LOCAL
        )
        assert [(one.id, one.of_id) for one in found.duplicates] == [("d.jpg", "c.png")]


def test_by_question_alone_and_nearly(tmp_path):
    asked = "What is the colour of the small car beside the old house?"
    path = write(
        tmp_path / "rows.jsonl",
        [
            row("a", asked),
            row("b", asked.upper()),
            row("c", asked.replace("old house", "old houses")),
            row("d", "Why?"),
        ],
    )
    exact = find_duplicates(path, DedupSettings(by="question"), LOCAL)
    near = find_duplicates(path, DedupSettings(by="question", texts="minhash"), LOCAL)
    whole = find_duplicates(path, DedupSettings(by="question", whole=True), LOCAL)
    assert [(one.id, one.of_id) for one in exact.duplicates] == [("b", "a")]
    assert [(one.id, one.of_id) for one in near.duplicates] == [("b", "a"), ("c", "a")]
    assert [one.id for one in whole.duplicates] == ["b"]


def test_rows_without_an_image_have_no_twin_by_image(tmp_path):
    path = write(tmp_path / "rows.jsonl", [row("a", "Why?"), row("b", "Why?")])
    assert find_duplicates(path, DedupSettings(by="image", images="path"), LOCAL).duplicates == []


def test_unusable_rows_are_reported_and_not_kept(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "black.png")
    path = write(
        tmp_path / "rows.jsonl", [row("a", "Q?", "black.png"), row("b", "Q?", "gone.png"), {"id": "c"}]
    )
    found = find_duplicates(path, DedupSettings(tmp_path), LOCAL)
    assert [(one.row, one.id) for one in found.problems] == [(1, "b"), (2, "c")]
    assert found.dropped == {1, 2}
    with pytest.raises(UserError, match="no row of the file would be left"):
        write_kept(path, tmp_path / "out.jsonl", {0, 1, 2}, 3)
    with pytest.raises(UserError, match="output is the input"):
        write_kept(path, path, set(), 3)
