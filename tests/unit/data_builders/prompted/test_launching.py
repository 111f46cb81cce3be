"""A prompted build from plain settings: inputs, teachers by name, a price before spending."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from data_builders.builders import Builder, get_builder
from data_builders.prompted import PROMPTED
from data_builders.prompted.base import Source
from data_builders.prompted.launching import Launched, launch, sources_of
from data_builders.scenes import Scene, SceneObject, write_scenes
from mmtune import cli
from mmtune.errors import UserError
from mmtune.records import ImageRef, write_llava
from tests.endpoints import Server, serve


@pytest.fixture
def scenes(sources: list[Source], tmp_path: Path) -> Path:
    path = tmp_path / "scenes.jsonl"
    write_scenes(path, [source.scene for source in sources[:5]])
    return path


@pytest.fixture
def records(sources: list[Source], tmp_path: Path) -> Path:
    path = tmp_path / "records.json"
    named = [
        replace(s.the_record(), id=f"r{n}", meta={"scene": s.scene.id}) for n, s in enumerate(sources[:5])
    ]
    write_llava(path, named)
    return path


def conversation(body: dict[str, Any]) -> str:
    return "Question:\nWhat is this?\n===\nAnswer:\nA picture."


def go(name: str, scenes: Path, **settings: Any) -> Launched:
    return launch(name, out=scenes.parent / "out", inputs=[scenes], **settings)


def test_from_scenes_and_an_endpoint_and_on_again(scenes: Path):
    with serve(Server(write=conversation)) as server:
        built = go("llava_conversation", scenes, teacher=server.url, model="m")
        assert built.problems == ""
        assert built.counts["records"] == 5 == len(server.bodies)
        again = go("llava_conversation", scenes, teacher=server.url, model="m")
    assert (again.counts["records"], again.counts["of them finished before"]) == (5, 5)
    assert len(server.bodies) == 5
    row = json.loads((scenes.parent / "out/records.jsonl").read_text().splitlines()[0])
    assert row["source"]["teacher"] == {"kind": "openai", "endpoint": server.url, "model": "m"}


def test_the_command_verifies_what_a_teacher_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Beside what programs ask, and of scenes whose images' size nobody has told."""
    dog = SceneObject("o1", "dog", (1, 2, 30, 40), ("brown",))
    told = {"captions": ("A brown dog.",), "exhaustive_classes": frozenset({"dog", "cat"})}
    sized = Scene("a", ImageRef("a.png"), 100, 80, (dog,), **told)
    bare = Scene("b", ImageRef("b.png"), 0, 0, (dog,), licence="CC0-1.0", **told)
    write_scenes(tmp_path / "scenes.jsonl", [sized, bare])
    words = ["--in", str(tmp_path / "scenes.jsonl")]
    one, two = tmp_path / "out", tmp_path / "negatives.jsonl"
    assert cli.main(["build", "llava_conversation", *words, "--out", str(one), "--teacher", "rules"]) == 0
    assert cli.main(["build", "negative_object", *words, "--out", str(two), "--workers", "1"]) == 0
    both = tmp_path / "both.jsonl"
    both.write_text((one / "records.jsonl").read_text() + two.read_text())
    capsys.readouterr()
    assert cli.main(["build", "--verify", str(both), *words]) == 0
    assert "3 records, all verified" in capsys.readouterr().out
    rows = [json.loads(line) for line in both.read_text().splitlines()]
    wrong = [
        {**rows[0], "conversations": [rows[0]["conversations"][0], {"from": "gpt", "value": "A cat."}]},
        {**rows[1], "image": "a.png"},
        {**rows[1], "licence": "MIT"},
        {**rows[0], "evidence": {"scenes": ["a"]}},
        {**rows[0], "evidence": {"scenes": [["a"]]}},
        {**rows[0], "builder": ["llava_conversation"]},
    ]
    both.write_text("".join(json.dumps(row) + "\n" for row in wrong))
    assert cli.main(["build", "--verify", str(both), *words]) == 2
    assert f"{len(wrong)} wrong" in capsys.readouterr().out


def test_from_records_and_rules(scenes: Path, records: Path):
    built = go("mmevol", scenes, teacher="rules", records=records)
    assert built.counts["records"] == 15
    write_scenes(scenes.parent / "none.jsonl", [Scene("other", None, 4, 4)])
    with pytest.raises(UserError, match="is in none of the files"):
        list(sources_of([scenes.parent / "none.jsonl"], records))


def test_batch_files_say_what_to_do_next(scenes: Path):
    built = go("llava_conversation", scenes, teacher="batch", model="m")
    assert built.counts["records"] == 0
    assert "requests-0001.jsonl" in built.problems
    assert "run the same command again" in built.problems


def test_a_dry_run_tells_the_price_and_touches_nothing(
    scenes: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    caplog.set_level("INFO")
    built = go(
        "llava_conversation",
        scenes,
        teacher="http://127.0.0.1:9/v1",
        dry_run=True,
        price_in=1.0,
        price_out=1e6,
    )
    assert built.counts["requests"] == 5
    assert built.counts["tokens to write at most"] == 5 * 1024
    assert "5 units, 5 requests" in caplog.text
    assert "price at most 5120" in caplog.text
    words = ["build", "llava_conversation", "--in", str(scenes), "--out", str(scenes.parent / "out")]
    prices = ["--price-in", "0.001", "--price-out", "0.000001", "--dry-run"]
    assert cli.main([*words, "--teacher", "rules", *prices]) == 0
    told = capsys.readouterr().out
    assert "requests 5, tokens to read" in told and "price at most 0.00000" in told
    assert not (scenes.parent / "out").exists()


def test_a_budget_stops_the_build_and_what_is_done_is_kept(scenes: Path):
    prices = {"price_in": 1000.0, "price_out": 1000.0, "max_tokens": 100, "concurrency": 1}
    with serve(Server(write=conversation)) as server:
        with pytest.raises(UserError, match="the budget of 1 is spent"):
            go("llava_conversation", scenes, teacher=server.url, model="m", max_budget=1.0, **prices)
        records = (scenes.parent / "out/records.jsonl").read_text().splitlines()
        assert 0 < len(records) == len(server.bodies) < 5
        built = go("llava_conversation", scenes, teacher=server.url, model="m", max_budget=100.0, **prices)
    assert (built.counts["records"], len(server.bodies)) == (5, 5)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"teacher": "http://127.0.0.1:9/v1"}, "model is not named"),
        ({"teacher": "batch"}, "model is not named"),
        ({}, "no teacher is named"),
        ({"teacher": "rules", "price_in": 1.0}, "only one of two prices"),
        ({"teacher": "rules", "max_budget": 1.0}, "a budget needs prices"),
        (
            {"teacher": "batch", "model": "m", "max_budget": 1.0, "price_in": 1.0, "price_out": 1.0},
            "no budget can be kept to",
        ),
        ({"teacher": "rules", "prompts": Path("nowhere")}, "no such folder of prompts"),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], said: str, scenes: Path):
    with pytest.raises(UserError, match=said):
        go("llava_conversation", scenes, **settings)


def test_every_builder_can_be_listed_and_built_by_its_own_function(scenes: Path):
    for name in PROMPTED:
        assert isinstance(get_builder(name), Builder)
        assert ", arXiv " in get_builder(name).paper
    built = get_builder("llava_detail").build(out=scenes.parent / "own", inputs=[scenes], teacher="rules")
    assert built.counts["records"] == 5


def test_any_annotation_is_read_and_what_is_left_out_is_told(tmp_path: Path):
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 8, "height": 8} for n in (1, 2, 3)]
    told = [
        {"id": 10 + n, "image_id": n, "caption": text} for n, text in ((1, "A dog."), (2, " "), (9, "A cat."))
    ]
    path = tmp_path / "captions.json"
    path.write_text(json.dumps({"images": images[:2], "annotations": told}))
    built = launch("llava_conversation", out=tmp_path / "out", inputs=[path], teacher="rules")
    assert built.counts["records"] == 1
    left_out = [json.loads(line) for line in (tmp_path / "out/problems.jsonl").read_text().splitlines()]
    assert {row["row"]: row["reason"] for row in left_out} == {
        "annotation 12": "the caption is empty",
        "annotation 19": "it points to image 9, which no file lists",
    }
    assert "2 left out" in built.problems and "1 units failed" in built.problems


def test_a_row_of_lines_that_is_not_utf8_is_one_bad_row(tmp_path: Path):
    path = tmp_path / "captions.jsonl"
    path.write_bytes(b'{"image": "1.jpg", "caption": "caf\xe9"}\n{"image": "2.jpg", "caption": "A dog."}\n')
    built = launch("llava_conversation", out=tmp_path / "out", inputs=[path], teacher="rules")
    assert built.counts["records"] == 1 and "not UTF-8" in built.problems


def test_images_inside_shards_are_unpacked(tmp_path: Path):
    picture = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(picture, "PNG")
    with tarfile.open(tmp_path / "00000.tar", "w") as tar:
        for name, content in (("1.png", picture.getvalue()), ("1.txt", b"A red square."), ("../2.png", b"x")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    settings = {"inputs": [tmp_path / "00000.tar"], "unpack": tmp_path / "images", "teacher": "rules"}
    built = launch("llava_conversation", out=tmp_path / "out", **settings)
    row = json.loads((tmp_path / "out/records.jsonl").read_text())
    assert (tmp_path / "images" / row["image"]).read_bytes() == picture.getvalue()
    assert "climbs out" in built.problems and not (tmp_path / "2.png").exists()


def test_names_and_files_that_there_are_not(scenes: Path):
    with pytest.raises(UserError, match="did you mean 'llava_detail'"):
        go("llava_details", scenes, teacher="rules")
    with pytest.raises(UserError, match="annotations do not exist"):
        go("llava_detail", scenes.parent / "gone.jsonl", teacher="rules")
