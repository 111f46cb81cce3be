"""From files of scenes to files of records, and the drawn pictures."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from data_builders.builders import Builder, builders, get_builder
from data_builders.draws import Draws
from data_builders.miniworld.dataset import build as build_miniworld
from data_builders.miniworld.world import World
from data_builders.programs.asking import Settings
from data_builders.programs.building import ALL, build, build_drawn
from data_builders.programs.drawn.geometry import KINDS
from data_builders.programs.drawn.registry import DRAWINGS
from data_builders.programs.inputs import Annotations, sound_scenes
from data_builders.programs.marking import COLORS, copy_name
from data_builders.programs.records import records_of_scene
from data_builders.programs.registry import PROGRAMS
from data_builders.programs.verifying import verify
from data_builders.prompted.verifying import verify_file
from data_builders.scenes import write_scenes
from mmtune import cli
from mmtune.errors import UserError
from mmtune.records import iter_llava
from tests.unit.data_builders.programs.scenes_by_hand import scene, thing


@pytest.fixture(scope="module")
def scene_file(worlds, tmp_path_factory):
    path = tmp_path_factory.mktemp("scenes") / "scenes.jsonl"
    write_scenes(path, [*worlds, *(replace(one, id=f"again-{one.id}") for one in worlds[:6])])
    return path


def test_the_same_records_in_one_process_and_in_two(scene_file, tmp_path):
    one = build(ALL, [scene_file], tmp_path / "one.jsonl", limit=66)
    two = build(ALL, [scene_file], tmp_path / "two.jsonl", limit=66, workers=2)
    assert one == two
    assert one.counts["scenes"] == 66
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    done = verify_file(tmp_path / "one.jsonl", Annotations((scene_file,)))
    assert (done.counts["records"], done.problems) == (one.counts["records"], "")
    built = {record.meta["builder"] for _, record in iter_llava(tmp_path / "one.jsonl")}
    assert not built & {"marked_objects", "boxed_objects", *DRAWINGS}


def test_a_mutated_file_is_reported_with_row_and_reason(scene_file, tmp_path):
    out = tmp_path / "few.jsonl"
    build("exists_object", [scene_file], out, limit=4, mode="short")
    rows = out.read_text().splitlines()
    row = json.loads(rows[2])
    row["conversations"][1]["value"] = "41"
    row["licence"] = "CC0-1.0"
    out.write_text("\n".join([*rows[:2], json.dumps(row), "{}", '{"id": "half', *rows[3:]]) + "\n")
    done = verify_file(out, Annotations((scene_file,)), tmp_path / "why.jsonl")
    assert done.counts == {"records": len(rows) + 2, "problems": 3}
    assert done.problems.startswith("3 wrong: row 2") and "'41'" in done.problems
    assert f"and 1 more reasons (all in {tmp_path / 'why.jsonl'})" in done.problems
    why = [json.loads(line) for line in (tmp_path / "why.jsonl").read_text().splitlines()]
    assert [one["row"] for one in why] == [2, 2, 3, 4]
    assert why[0]["id"] == row["id"] and "'CC0-1.0'" in why[0]["reason"]
    with pytest.raises(UserError, match="the output is the input"):
        verify_file(out, Annotations((scene_file,)), out)


def test_bad_scenes_are_reported_and_the_others_used(worlds, tmp_path):
    path, out = tmp_path / "scenes.jsonl", tmp_path / "out.jsonl"
    inverted = replace(
        worlds[1], objects=(replace(worlds[1].objects[0], box_xyxy=(9, 9, 3, 3)),), relations=()
    )
    write_scenes(path, [worlds[0], inverted, replace(worlds[2], image=None), worlds[0]])
    done = build("negative_object", [path], out)
    assert done.counts["scenes"] == 1
    assert "3 left out" in done.problems
    problems = [json.loads(line) for line in (tmp_path / "out.problems.jsonl").read_text().splitlines()]
    assert [problem["row"] for problem in problems] == [
        f"scene {s.id}" for s in (worlds[1], worlds[2], worlds[0])
    ]
    assert "no box" in problems[0]["reason"] and "earlier" in problems[2]["reason"]


def test_nothing_is_never_a_success(worlds, tmp_path):
    path = tmp_path / "scenes.jsonl"
    write_scenes(path, [replace(worlds[0], image=None)])
    with pytest.raises(UserError, match="no scene can be used"):
        build(ALL, [path], tmp_path / "out.jsonl")
    write_scenes(path, [scene(thing("a", "dog"))])
    with pytest.raises(UserError, match="nothing to ask"):
        build("has_relation", [path], tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
    with pytest.raises(UserError, match="do not exist"):
        build(ALL, [tmp_path / "none"], tmp_path / "out.jsonl")


def test_marks_are_drawn_where_the_objects_are(worlds, tmp_path):
    (tmp_path / "images").mkdir()
    world = World(seed=3)
    for one in worlds[:3]:
        Image.fromarray(world.render(one)).save(tmp_path / "images" / one.image.path)
    write_scenes(tmp_path / "s.jsonl", worlds[:4])
    out = tmp_path / "marked.jsonl"
    done = build("boxed_objects", [tmp_path / "s.jsonl"], out, image_root=tmp_path / "images")
    assert done.counts["records"] == 3
    assert "does not exist" in done.problems  # the fourth scene has no picture
    by_id = {one.id: one for one in worlds}
    for _, record in iter_llava(out):
        one = by_id[record.meta["evidence"]["scenes"][0]]
        pixels = np.asarray(Image.open(tmp_path / "marked-images" / record.images[0].path))
        assert min(pixels.shape[:2]) >= 336
        for label, item_id in record.meta["arguments"]["turns"][0]["marks"]:
            x0, y0, *_ = one.object(item_id).box_xyxy
            scale = pixels.shape[0] / one.height
            assert tuple(pixels[int(y0 * scale) + 1, int(x0 * scale) + 1]) == COLORS[label]
        assert verify(record, by_id) == []
    with pytest.raises(UserError, match="image-root"):
        build("boxed_objects", [tmp_path / "s.jsonl"], out)


def test_a_copy_stays_in_its_folder():
    for record_id in ("../../etc/x", "a/b.c", "\ud800", "", "x" * 400):
        name = copy_name(record_id)
        assert "/" not in name and name.count(".") == 1 and len(name) < 110
    assert copy_name("a/b") != copy_name("a_b")


@pytest.mark.parametrize("name", list(DRAWINGS))
def test_drawn_pictures_are_the_same_again_and_verified(name, tmp_path):
    build_drawn(name, tmp_path / "a", count=12, seed=2)
    build_drawn(name, tmp_path / "b", count=12, seed=2)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) == 14
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    done = verify_file(tmp_path / "a" / "records.jsonl", Annotations((tmp_path / "a" / "scenes.jsonl",)))
    assert done.counts["records"] >= 12 and not done.problems
    assert {r.meta["builder"] for _, r in iter_llava(tmp_path / "a" / "records.jsonl")} <= set(
        DRAWINGS[name].programs
    )


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_diagram_is_drawn_to_scale_and_worked_out_right(kind):
    """The answers, by formulas of another kind than those that worked them out."""
    for number in range(60):
        n = KINDS[kind].draw(Draws(1, number))
        _, steps, answer, wrong = KINDS[kind].work(n)
        value = float(answer.rstrip("°π"))
        assert answer not in wrong and len(wrong) >= 2 and len(set(wrong)) == len(wrong)
        assert answer in steps[-1] or answer.rstrip("π") in steps[-1]
        if kind == "triangle":
            assert min(n["a"], n["b"], value) > 0 and n["a"] + n["b"] + value == 180
        elif kind == "right_triangle":
            assert abs(np.hypot(n["a"], n["b"]) - n["c"]) < 1e-9 and value == n[n["ask"]]
        elif kind == "rectangle":
            corners = [(0, 0), (n["wide"], 0), (n["wide"], n["high"]), (0, n["high"])]
            pairs = list(zip(corners, corners[1:] + corners[:1], strict=True))
            area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs) / 2
            around = sum(np.hypot(x1 - x0, y1 - y0) for (x0, y0), (x1, y1) in pairs)
            assert value == (area if n["ask"] == "area" else around)
        elif kind == "circle":
            assert value == (n["radius"] ** 2 if n["ask"] == "area" else 2 * n["radius"])
        elif kind == "parallel_lines":
            assert value == (n["angle"] if n["ask"] == "same" else 180 - n["angle"])
        else:
            (x0, y0), (x1, y1) = n["points"]
            assert np.polyfit([x0, x1], [y0, y1], 1)[0] == pytest.approx(value)
            assert max(abs(v) for v in (x0, y0, x1, y1)) <= 4


def test_bars_are_as_high_as_their_values():
    draw = DRAWINGS["figures"].draw
    checked = 0
    for number in range(20):
        one, picture = draw(Draws(4, number), f"f{number}")
        chart = one.source["charts"][0]
        if len(one.source["charts"]) > 1 or chart["kind"] != "bar":
            continue
        ticks = {int(i.text): i.center[1] for i in one.objects if i.name == "tick"}
        bars = [item for item in one.objects if item.name == "bar"]
        pixels = np.asarray(picture)
        for bar, value in zip(bars, chart["values"], strict=True):
            y = ticks[0] + (ticks[100] - ticks[0]) * value / 100
            assert abs(bar.box_xyxy[1] - y) < 1.5
            column = pixels[:, int(bar.center[0])]
            assert (
                abs(int(np.argmax((column == pixels[int(bar.center[1]), int(bar.center[0])]).all(1))) - y) < 2
            )
            checked += 1
    assert checked > 10


def test_a_page_says_what_its_scene_says():
    one, _ = DRAWINGS["documents"].draw(Draws(5, 1), "page")
    page = one.source["page"]
    texts = {item.text for item in one.objects}
    assert page["title"] in texts and {heading for heading, _ in page["sections"]} <= texts
    assert {str(value) for values in page["rows"].values() for value in values} <= texts
    for item in one.objects:
        x0, y0, x1, y1 = item.box_xyxy
        assert 0 <= x0 < x1 <= one.width and 0 <= y0 < y1 <= one.height
    programs = [PROGRAMS["document_questions"]]
    (record,) = records_of_scene(programs, one, Settings(turns=60, mode="short"))
    assert {row["form"] for row in record.meta["arguments"]["turns"]} == {
        "title",
        "count",
        "field",
        "after",
        "cell",
    }


def test_a_miniworld_folder_gives_its_scenes_again(tmp_path):
    build_miniworld(tmp_path / "mw", train_scenes=2, val_scenes=1, test_scenes=1, seed=4)
    problems = []
    found = list(sound_scenes(Annotations((tmp_path / "mw",)), problems.append))
    assert [one.id.split("-")[0] for one in found] == ["train", "train", "val", "test"]
    assert problems == []
    for one in found:
        assert (tmp_path / "mw" / "images" / one.image.path).is_file()
        assert all(item.mask is not None for item in one.objects)


@pytest.mark.parametrize("form", ["coco", "vg"])
def test_official_files_are_asked_about_and_verified(form, tmp_path):
    """COCO promises all of its classes, Visual Genome none: what is asked follows from it."""
    build_miniworld(tmp_path / "mw", train_scenes=1, val_scenes=1, test_scenes=24, seed=4)
    folder, images = tmp_path / "mw" / form / "test", tmp_path / "mw" / "images" / "test"
    if form == "vg":
        images = images.parent
    out = tmp_path / "out.jsonl"
    done = build(ALL, [folder], out, image_root=images, licence="CC0-1.0")
    assert done.counts["scenes"] == 24 and not done.problems
    records = [record for _, record in iter_llava(out)]
    built = {record.meta["builder"] for record in records}
    assert all(record.meta["licence"] for record in records)
    if form == "coco":
        assert {"exists_object", "negative_object", "has_most_object", "same_object_seg"} <= built
        assert not {"relation_box", "exists_attribute"} & built
    else:
        assert {"relation_box", "attribute_box", "region_phrase", "scene_graph_attribute"} <= built
        assert (
            not {"exists_object", "negative_object", "has_object", "grounding_box", "same_object_seg"} & built
        )
    assert verify_file(out, Annotations((folder,), images, licence="CC0-1.0")).problems == ""
    claimed = build("exists_object", [folder], out, image_root=images, exhaustive="star, moon")
    assert {row["class"] for _, r in iter_llava(out) for row in r.meta["arguments"]["turns"]} <= {
        "star",
        "moon",
    }
    assert claimed.counts["records"] > 3


def test_every_builder_says_what_it_is():
    for name, builder in builders().items():
        assert isinstance(builder, Builder) and builder.name == name
        assert builder.needs and builder.makes and callable(builder.build)
    assert len(builders()) > 55
    with pytest.raises(UserError, match="did you mean 'exists_object'"):
        get_builder("exist_object")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--list"], 0, "negative_relation"),
        ([], 2, "--list"),
        (["programs", "--out", "x.jsonl"], 2, "--in"),
        (["miniworld", "--in", "x", "--out", "y"], 2, "no input"),
        (["programs", "--in", "x"], 2, "--out"),
        (["math_diagrams", "--out", "x", "--turns", "2", "--workers", "2"], 2, "--workers"),
        (["math_diagrams", "--out", "x", "--mode", "long"], 2, "--mode"),
        (["programs", "--in", ".", "--out", "x.jsonl", "--limit", "-1"], 2, "--limit"),
        (["povid", "--in", ".", "--out", "x.jsonl", "--limit", "0"], 2, "--limit"),
        (["llava_detail", "--in", ".", "--out", "x", "--teacher", "rules", "--limit", "-1"], 2, "--limit"),
        (["--verify", "x.jsonl"], 2, "--in"),
    ],
)
def test_the_command_says_what_it_needs(words, status, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["build", *words]) == status
    out, err = capsys.readouterr()
    assert said in (err if status else out)
    assert list(tmp_path.iterdir()) == []


def test_the_command_verifies_what_it_built(scene_file, tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    words = ["build", "negative_object", "--in", str(scene_file), "--out", str(out), "--limit", "8"]
    words += ["--workers", "1", "--mode", "short"]
    assert cli.main(words) == 0
    assert "scenes 8" in capsys.readouterr().out
    assert cli.main(["build", "--verify", str(out), "--in", str(scene_file)]) == 0
    assert "all verified" in capsys.readouterr().out
    out.write_text(out.read_text().replace('"value": "No"', '"value": "Yes"'))
    assert cli.main(["build", "--verify", str(out), "--in", str(scene_file)]) == 2
