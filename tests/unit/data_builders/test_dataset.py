from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from data_builders.builders import get_builder
from data_builders.miniworld import blocks, dataset
from data_builders.miniworld.dataset import build
from data_builders.miniworld.questions import verify
from data_builders.miniworld.records import questions_of
from data_builders.miniworld.world import World
from mmtune.errors import UserError
from mmtune.records import Record, iter_llava

SIZES = {"train_scenes": 24, "test_scenes": 30, "val_scenes": 6, "seed": 4, "annotated": ("train", "test")}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("miniworld")
    build(out, **SIZES)
    return out


def _content(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_folder_is_complete_and_described(built) -> None:
    manifest = json.loads((built / "manifest.json").read_text())
    found = _content(built)
    pictures = {name for name in found if name.startswith("images/")}
    assert len(pictures) == 60
    assert set(found) - pictures - {"manifest.json"} == set(manifest["files"])
    assert all(found[name] == sha for name, sha in manifest["files"].items())
    for split, images in manifest["images"].items():
        shas = "".join(found[name] for name in sorted(pictures) if name.startswith(f"images/{split}/"))
        assert images["sha256"] == hashlib.sha256(shas.encode()).hexdigest()
    for name in ("llava/align.json", "llava/tune.json", "llava/val.json", "vqa/questions.json"):
        assert name in found
    for split in ("random", "popular", "adversarial"):
        rows = (built / f"pope/{split}.json").read_text().splitlines()
        assert len(rows) == manifest["counts"][f"pope_{split}"] > 0
        assert all((built / "images/test" / json.loads(row)["image"]).is_file() for row in rows)


def test_records_are_valid_and_verify_against_their_scenes(built) -> None:
    for name, split, count in (("tune", "train", 24), ("val", "val", 6), ("align", "train", 24)):
        records = [record for _, record in iter_llava(built / f"llava/{name}.json")]
        assert len(records) == count
        world = World(split=split, seed=SIZES["seed"])
        for index, record in enumerate(records):
            assert isinstance(record, Record)
            record.check()
            scene = world.scene(index)
            assert record.meta["scene"] == scene.id
            with Image.open(built / "images" / record.images[0].path) as picture:
                assert (picture.convert("RGB").tobytes()) == world.render(scene).tobytes()
            if name != "align":
                assert all(verify(question, scene) for question in questions_of(record))


def test_official_files_join(built) -> None:
    questions = json.loads((built / "vqa/questions.json").read_text())
    annotations = json.loads((built / "vqa/annotations.json").read_text())
    assert {"info", "task_type", "data_type", "data_subtype", "license", "questions"} == set(questions)
    assert {"info", "data_type", "data_subtype", "license", "annotations"} == set(annotations)
    ids = [row["question_id"] for row in questions["questions"]]
    assert ids == [row["question_id"] for row in annotations["annotations"]]
    assert len(set(ids)) == len(ids)
    for split in ("train", "test"):
        instances = json.loads((built / f"coco/{split}/instances_{split}.json").read_text())
        captions = json.loads((built / f"coco/{split}/captions_{split}.json").read_text())
        images = {row["id"]: row["file_name"] for row in instances["images"]}
        assert all((built / f"images/{split}" / name).is_file() for name in images.values())
        assert {row["image_id"] for row in instances["annotations"]} == set(images)
        assert len(captions["annotations"]) == 5 * len(images)
        for name in ("image_data", "scene_graphs", "attributes", "relationships"):
            rows = json.loads((built / f"vg/{split}/{name}.json").read_text())
            assert [row["image_id"] for row in rows] == list(images)
    test_ids = {row["image_id"] for row in questions["questions"]}
    assert test_ids <= {row["id"] for row in instances["images"]}


def test_a_second_build_touches_nothing(built) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}
    manifest = build(built, **SIZES)
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before
    assert manifest.counts["train"] == 24


def test_two_processes_write_the_same_files(built, tmp_path) -> None:
    calls: list[tuple[int, int]] = []
    build(tmp_path, **SIZES, workers=2, progress=lambda done, total: calls.append((done, total)))
    assert _content(tmp_path) == _content(built)
    assert calls[-1] == (60, 60)


def test_an_interrupted_build_goes_on_where_it_stopped(built, tmp_path, monkeypatch) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, **SIZES, progress=stop)
    assert not (tmp_path / "manifest.json").exists()
    drawn: list[Path] = []
    save = blocks._save_image
    monkeypatch.setattr(blocks, "_save_image", lambda path, *rest: drawn.append(path) or save(path, *rest))
    build(tmp_path, **SIZES)
    assert _content(tmp_path) == _content(built)
    assert not [path for path in drawn if "train" in path.parts]


def test_images_that_went_after_an_interruption_are_drawn_again(built, tmp_path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, **SIZES, progress=stop)
    shutil.rmtree(tmp_path / "images")
    build(tmp_path, **SIZES)
    assert _content(tmp_path) == _content(built)


def test_damaged_files_are_made_again(built, tmp_path) -> None:
    build(tmp_path, **SIZES)
    next((tmp_path / "images/test").iterdir()).write_bytes(b"")
    (tmp_path / "vqa/questions.json").write_text("{")
    build(tmp_path, **SIZES)
    assert _content(tmp_path) == _content(built)


def test_other_settings_in_the_same_folder_are_refused(built) -> None:
    with pytest.raises(UserError, match="built with other settings"):
        build(built, **{**SIZES, "seed": 5})


def test_unknown_splits_are_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="unknown split to annotate: dev"):
        build(tmp_path, annotated=("dev",))


def test_no_scenes_are_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="at least one scene"):
        build(tmp_path, train_scenes=0)


def test_a_full_disk_is_one_clear_sentence(tmp_path, monkeypatch) -> None:
    def full(*args: object) -> str:
        raise OSError(28, "No space left on device", "x.png")

    monkeypatch.setattr(blocks, "_save_image", full)
    with pytest.raises(UserError, match=r"the disk is full \(x.png\); free some space"):
        build(tmp_path, **SIZES)
    assert not (tmp_path / "manifest.json").exists()


def test_a_folder_that_cannot_be_made_is_one_clear_sentence(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        build(tmp_path / "file" / "out", **SIZES)


def test_builders_are_found_by_name() -> None:
    assert get_builder("miniworld").build is dataset.build
    with pytest.raises(UserError, match="unknown builder 'coco'"):
        get_builder("coco")


def test_the_package_names_what_is_public() -> None:
    from data_builders import miniworld

    assert miniworld.build is dataset.build
    assert miniworld.World is World
    with pytest.raises(AttributeError):
        _ = miniworld.Galaxy
