"""Training on shards: the same steps as on the file of records that they were built from, and damage is told."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from data_builders.engines import get_engine
from data_builders.shards import ShardSettings, build_shards
from mmtune.batch import PackedBatch
from mmtune.data.check import check, image_pixels
from mmtune.data.config import DataConfig, SourceConfig
from mmtune.data.loader import Step, train_loader
from mmtune.data.shards import ShardSource
from mmtune.data.source import JsonSource, open_source
from mmtune.data.splits import open_splits
from mmtune.errors import RecordError, UserError
from mmtune.images.decoding import ImageError
from mmtune.images.loading import image_size, load_image


@pytest.fixture
def written(row: Callable[..., dict], write_source: Callable[..., Path]) -> Path:
    rows = [row(i, images=i % 3) for i in range(23)]
    rows[5]["id"] = "a.b/../5"
    return write_source(rows, "rows.jsonl")


@pytest.fixture
def shards(written: Path) -> Path:
    out = written.parent / "shards"
    build_shards(written, out, ShardSettings(written.parent, records=5), get_engine("local"))
    return out


def steps_of(path: Path, make_encoder: Any, start: int = 0, **changes: Any) -> Iterator[Step]:
    workers = changes.pop("workers", 0)
    config = DataConfig(
        [SourceConfig(str(path), weight=1.5)], max_tokens=200, row_tokens=400, workers=workers
    )
    sources = open_splits(config)[0]
    loader = train_loader(config, sources, make_encoder(200), batch_records=8, seed=5, epochs=2.0, **changes)
    loader.load_state_dict({"step": start})
    return iter(loader)


def same(a: Step, b: Step) -> bool:
    def equal(x: PackedBatch, y: PackedBatch) -> bool:
        pairs = [(getattr(x, f.name), getattr(y, f.name)) for f in fields(PackedBatch)]
        return all(torch.equal(p, q) if isinstance(p, torch.Tensor) else p == q for p, q in pairs)

    return a.index == b.index and all(equal(x, y) for x, y in zip(a.batches, b.batches, strict=True))


def test_the_records_and_pixels_are_those_of_the_file(written, shards) -> None:
    plain, packed = JsonSource(SourceConfig(str(written))), open_source(SourceConfig(str(shards)))
    assert isinstance(packed, ShardSource) and len(plain) == len(packed) == 23
    for index in reversed(range(23)):
        one, other = plain.record(index), packed.record(index)
        assert (one.id, one.turns, one.meta) == (other.id, other.turns, other.meta)
        for mine, theirs in zip(one.images, other.images, strict=True):
            image, again = load_image(plain.image_root, mine), load_image(packed.image_root, theirs)
            assert image.tobytes() == again.tobytes()
            assert image_size(packed.image_root, theirs) == image.size
    assert packed.record_id(5) == "a.b/../5"


@pytest.mark.parametrize("rank", [0, 1])
def test_the_steps_are_those_of_the_file(written, shards, make_encoder, rank) -> None:
    plain = list(steps_of(written, make_encoder, rank=rank, world=2))
    packed = list(steps_of(shards, make_encoder, rank=rank, world=2))
    assert len(plain) == len(packed) > 8
    assert any(len(batch.pixels) for step in plain for batch in step.batches)
    assert all(same(a, b) for a, b in zip(plain, packed, strict=True))


def test_a_resumed_run_goes_on_at_the_same_records_with_workers(written, shards, make_encoder) -> None:
    plain = list(steps_of(written, make_encoder))[3:]
    resumed = list(steps_of(shards / "manifest.json", make_encoder, 3, workers=2))
    assert all(same(a, b) for a, b in zip(plain, resumed, strict=True))


def test_a_check_and_a_split_go_through_shards(shards, make_encoder) -> None:
    config = DataConfig([SourceConfig(str(shards))], max_tokens=200, validation_fraction=0.4)
    encoder = make_encoder(200)
    report = check(config, encoder.template, encoder.tokenizer, encoder.policy, image_pixels)
    assert (report.records, report.images, report.refused) == (23, 22, [])
    (train,), (held_out,) = open_splits(config)
    assert len(train) + len(held_out) == 23 and len(held_out) > 3


def test_other_shards_are_other_data(written, shards) -> None:
    other = written.parent / "other"
    build_shards(written, other, ShardSettings(written.parent, records=6), get_engine("local"))
    assert (
        ShardSource(SourceConfig(str(other))).fingerprint
        != ShardSource(SourceConfig(str(shards))).fingerprint
    )


def test_damage_is_told_before_or_at_the_record(shards) -> None:
    config = SourceConfig(str(shards))
    source = ShardSource(config)
    assert source.record(7).id == "r7"
    tar = shards / "00001.tar"
    whole = tar.read_bytes()
    tar.write_bytes(whole)  # the same bytes at another time
    with pytest.raises(UserError, match="changed while it was in use"):
        source.record(7)
    tar.write_bytes(whole[:-512])
    with pytest.raises(UserError, match=r"should have .*00001\.tar"):
        ShardSource(config)
    tar.write_bytes(b"\1" * len(whole))
    with pytest.raises(UserError, match="no tar file"):
        ShardSource(config).record(7)
    tar.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        ShardSource(config)


def test_a_folder_that_is_no_shards_is_refused(shards, tmp_path) -> None:
    with pytest.raises(UserError, match="leave image_root out"):
        ShardSource(SourceConfig(str(shards), image_root=str(tmp_path)))
    with pytest.raises(UserError, match="no manifest"):
        open_source(SourceConfig(str(tmp_path)))
    manifest = shards / "manifest.json"
    values = json.loads(manifest.read_text())
    for broken in (
        {**values, "format": 2},
        {**values, "shards": []},
        [],
        {**values, "shards": [{"name": 1}]},
    ):
        manifest.write_text(json.dumps(broken))
        with pytest.raises(UserError, match="not a manifest"):
            ShardSource(SourceConfig(str(shards)))
    climbs = [{**shard, "name": f"../{shard['name']}"} for shard in values["shards"]]
    manifest.write_text(json.dumps({**values, "shards": climbs}))
    with pytest.raises(UserError, match="not a manifest"):
        ShardSource(SourceConfig(str(shards)))


def pack(folder: Path, members: dict[str, bytes], records: int, kind: bytes = tarfile.REGTYPE) -> ShardSource:
    with tarfile.open(folder / "00000.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.type = len(content), kind
            tar.addfile(info, io.BytesIO(content))
    shard = {"name": "00000.tar", "bytes": (folder / "00000.tar").stat().st_size, "records": records}
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "shards": [shard]}))
    return ShardSource(SourceConfig(str(folder)))


def test_shards_of_strangers(tmp_path, row) -> None:
    good = json.dumps(row(1, images=1)).encode()
    with pytest.raises(UserError, match="no plain file"):
        pack(tmp_path, {"../1.png": b"x", "1.json": good}, 1).record(0)
    with pytest.raises(UserError, match="no plain file"):
        pack(tmp_path, {"1.json": b""}, 1, tarfile.SYMTYPE).record(0)
    with pytest.raises(UserError, match="has no record"):
        pack(tmp_path, {"1.png": b"x", "2.json": good}, 1).record(0)
    with pytest.raises(UserError, match="holds 1 records, the manifest says 2"):
        pack(tmp_path, {"1.png": b"x", "1.json": good}, 2).record(0)
    with pytest.raises(RecordError, match=r"1 image\(s\), the shard 00000.tar holds 2"):
        pack(tmp_path, {"1.img0.png": b"x", "1.img1.png": b"x", "1.json": good}, 1).record(0)
    source = pack(tmp_path, {"1.json": b"{", "2.png": b"no image", "2.json": good}, 2)
    with pytest.raises(RecordError, match="no JSON"):
        source.record(0)
    assert source.record_id(0) == "?"
    with pytest.raises(ImageError, match=r"not an image of a known kind .*00000.tar, bytes"):
        load_image(source.image_root, source.record(1).images[0])
