"""Shards are the same bytes on every build, whoever wrote them and however often it was killed."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
import webdataset
from PIL import Image

from data_builders.engines import get_engine
from data_builders.shards import (
    ShardSettings,
    build_shards,
    building,
    iter_shard,
    read_manifest,
    verify_shards,
)
from mmtune.errors import UserError

LOCAL = get_engine("local")


def row(number, images, **meta):
    text = "<image>\n" * len(images) + "What is it?"
    value = {
        "id": f"a.b/{number}",
        "conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": f"It is {number}."}],
    }
    if images:
        value["image"] = images[0] if len(images) == 1 else images
    return {**value, **meta}


@pytest.fixture
def folder(tmp_path):
    for number in range(4):
        Image.new("RGB", (6 + number, 5), (40 * number, 9, 9)).save(tmp_path / f"{number}.png")
    Image.new("RGB", (6, 6), "blue").save(tmp_path / "really.jpg", "PNG")
    rows = [row(n, [f"{n % 4}.png"], licence="CC-BY-4.0") for n in range(9)]
    rows.insert(2, row(20, ["0.png", "really.jpg"], licence="CC0-1.0"))
    rows.insert(5, row(21, [], licence="CC BY-NC 2.0"))
    rows.insert(7, row(22, ["../0.png"], licence="CC0-1.0"))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    return tmp_path


def build(folder, name, engine=LOCAL, rows="rows.jsonl", **settings):
    settings = ShardSettings(folder, **{"records": 4, **settings})
    return build_shards(folder / rows, folder / name, settings, engine)


def content(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_two_builds_are_the_same_bytes_whatever_the_engine(folder):
    first = build(folder, "a")
    assert build(folder, "b") == first
    assert build(folder, "c", get_engine("processes", 2)) == first
    assert content(folder / "a") == content(folder / "b") == content(folder / "c")
    assert sorted(content(folder / "a")) == [
        "00000.tar",
        "00001.tar",
        "00002.tar",
        "manifest.json",
        "problems.jsonl",
    ]
    assert verify_shards(folder / "a") == []


def test_the_manifest_tells_what_is_there(folder):
    manifest = build(folder, "a")
    assert read_manifest(folder / "a") == manifest
    assert (manifest.records, manifest.images, manifest.problems) == (11, 11, 1)
    assert [shard.records for shard in manifest.shards] == [4, 4, 3]
    assert manifest.licences == {"attribution": 9, "non-commercial": 1, "public domain": 1}
    assert manifest.licence == "non-commercial"
    (problem,) = [json.loads(line) for line in (folder / "a/problems.jsonl").read_text().splitlines()]
    assert problem["row"] == 7 and "climbs out" in problem["reason"]


def test_the_rows_come_back_as_they_were(folder):
    build(folder, "a")
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    del rows[7]
    found = [one for number in range(3) for one in iter_shard(folder / "a" / f"{number:05d}.tar")]
    assert [record.id for record, _ in found] == [one["id"] for one in rows]
    assert found[2][1] == [(folder / "0.png").read_bytes(), (folder / "really.jpg").read_bytes()]


def test_webdataset_reads_them(folder):
    build(folder, "a")
    samples = list(webdataset.WebDataset(str(folder / "a/00000.tar"), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [f"00000{n:05d}" for n in range(4)]
    assert set(samples[0]) >= {"png", "json"}
    # The extension is that of the content: a PNG that is called .jpg is a PNG.
    assert set(samples[2]) >= {"img0.png", "img1.png", "json"}
    assert Image.open(io.BytesIO(samples[1]["png"])).size == (7, 5)


def test_a_killed_build_goes_on_and_ends_alike(folder, monkeypatch):
    whole = build(folder, "whole")
    write, written = building.write_shard, []

    def dies(plan, **settings):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(plan.number)
        return write(plan, **settings)

    monkeypatch.setattr(building, "write_shard", dies)
    with pytest.raises(KeyboardInterrupt):
        build(folder, "killed")
    assert not (folder / "killed/manifest.json").exists()
    (folder / "killed/.00002.tar.1.partial").write_bytes(b"half")
    damaged = folder / "killed/00001.tar"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    before = (folder / "killed/00000.tar").stat().st_mtime_ns
    monkeypatch.setattr(building, "write_shard", write)
    assert build(folder, "killed") == whole
    assert (folder / "killed/00000.tar").stat().st_mtime_ns == before
    assert content(folder / "killed") == content(folder / "whole")


def test_a_changed_image_is_not_taken_over_from_a_killed_build(folder, monkeypatch):
    def stop(path, content):
        if path.name == "manifest.json":
            raise KeyboardInterrupt
        write(path, content)

    write = building.write_whole
    monkeypatch.setattr(building, "write_whole", stop)
    with pytest.raises(KeyboardInterrupt):
        build(folder, "a")
    monkeypatch.setattr(building, "write_whole", write)
    Image.new("RGB", (30, 30), "white").save(folder / "0.png")
    build(folder, "a")
    assert content(folder / "a") == (build(folder, "b"), content(folder / "b"))[1]


def test_a_finished_folder_is_left_alone_or_refused(folder):
    first = build(folder, "a")
    assert build(folder, "a") == first
    with pytest.raises(UserError, match="other rows or settings"):
        build(folder, "a", records=5)
    (folder / "a/00001.tar").write_bytes(b"broken")
    (folder / "a/00002.tar").unlink()
    assert len(verify_shards(folder / "a")) == 2
    assert build(folder, "a") == first
    assert verify_shards(folder / "a") == []


def test_a_finished_folder_notices_images_that_were_replaced(folder):
    lines = (folder / "rows.jsonl").read_text().splitlines()
    (folder / "good.jsonl").write_text("\n".join(lines[:7] + lines[8:]))
    first = build(folder, "a", rows="good.jsonl")
    assert build(folder, "a", get_engine("processes", 2), rows="good.jsonl") == first
    before, old = content(folder / "a"), (folder / "1.png").read_bytes()
    for new in (old[:-1] + b"!", old + b"!"):
        (folder / "1.png").write_bytes(new)
        with pytest.raises(UserError, match=r"not what it was: row 1, record 'a.b/1'.*1.png was changed"):
            build(folder, "a", rows="good.jsonl")
    (folder / "1.png").unlink()
    with pytest.raises(UserError, match=r"not what it was: row 1"):
        build(folder, "a", rows="good.jsonl")
    assert content(folder / "a") == before
    (folder / "1.png").write_bytes(old)
    assert build(folder, "a", rows="good.jsonl") == first


def test_a_finished_folder_does_not_pass_for_one_of_known_licences(folder):
    (folder / "bare.jsonl").write_text(json.dumps(row(30, [])) + "\n")
    build(folder, "a", rows="bare.jsonl")
    with pytest.raises(UserError, match="licence is unknown"):
        build(folder, "a", rows="bare.jsonl", require_licence=True)


def test_shards_of_somebody_else_are_left_alone(folder):
    (folder / "laion").mkdir()
    (folder / "laion/00000.tar").write_bytes(b"theirs")
    (folder / "laion/00007.tar").write_bytes(b"theirs, too")
    with pytest.raises(UserError, match="no unfinished build left"):
        build(folder, "laion")
    assert sorted(content(folder / "laion")) == ["00000.tar", "00007.tar"]


def test_an_unknown_licence_stops_the_build(folder):
    lines = (folder / "rows.jsonl").read_text().splitlines()
    (folder / "more.jsonl").write_text(
        "\n".join([*lines, json.dumps(row(30, [])), json.dumps(row(31, [], licence="ours"))])
    )
    with pytest.raises(UserError, match=r"licence is unknown .*row 12"):
        build(folder, "a", rows="more.jsonl", require_licence=True)
    assert not (folder / "a/manifest.json").exists()
    assert build(folder, "b", rows="more.jsonl").licence == "unknown"
    build(folder, "c", require_licence=True)


def test_no_usable_row_is_no_success(folder):
    (folder / "bad.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(UserError, match="no row of the file can be used"):
        build(folder, "a", rows="bad.jsonl")


@pytest.mark.parametrize("name", ["../x.json", "/etc/x.json", "a\\..\\x.json"])
def test_members_that_climb_are_refused(tmp_path, name):
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        info = tarfile.TarInfo(name)
        info.size = 2
        tar.addfile(info, io.BytesIO(b"{}"))
    with pytest.raises(UserError, match="no plain file"):
        list(iter_shard(tmp_path / "bad.tar"))
