"""Every engine gives the same results in the same order."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from PIL import Image

from data_builders.curate.check import CheckSettings, check_rows
from data_builders.curate.dedup import DedupSettings, find_duplicates
from data_builders.engines import ENGINES, Engine, get_engine
from data_builders.programs.building import build
from data_builders.scenes import Scene, write_scenes
from data_builders.shards import ShardSettings, build_shards
from mmtune.errors import UserError
from mmtune.records import ImageRef
from tests.unit.data_builders.conftest import scenes  # noqa: F401  # a fixture


def square(value: int) -> int:
    return value * value


def fails_at(value: int, bad: int) -> int:
    if value == bad:
        raise UserError("a bad value", str(value))
    return value


def dies(value: int) -> int:
    os._exit(3)


@pytest.fixture(scope="module")
def ray() -> Iterator[Engine]:
    """A local Ray of two workers."""
    found = pytest.importorskip("ray", reason="Ray is not installed; pip install 'mmtune[ray]'")
    yield get_engine("ray", 2)
    found.shutdown()


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    name = request.param
    return request.getfixturevalue("ray") if name == "ray" else get_engine(name, 2)


def test_results_come_in_order_and_errors_come_through(engine):
    bad = partial(fails_at, bad=140)
    results = engine.map(bad, range(150))
    assert [next(results) for _ in range(140)] == list(range(140))
    with pytest.raises(UserError, match="a bad value"):
        next(results)
    assert list(engine.map(square, [])) == []


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, scenes: list[Scene]) -> Path:  # noqa: F811
    """Rows with images, of which some are bad and some are there twice; and scenes."""
    folder = tmp_path_factory.mktemp("inputs")
    for number in range(6):
        Image.new("RGB", (24, 20), (40 * number, 9, 200 - 30 * number)).save(folder / f"{number}.png")
    with (folder / "rows.jsonl").open("w") as out:
        for number in range(1200):
            said = [("human", f"<image>\nWhat is {number % 900}?"), ("gpt", "A thing.")]
            turns = [{"from": who, "value": text} for who, text in said]
            image = "none.png" if number % 100 == 50 else f"{number % 6}.png"
            out.write(json.dumps({"id": f"{number % 1000}", "image": image, "conversations": turns}) + "\n")
    pictured = [scene.with_image(ImageRef(f"{scene.id}.png")) for scene in scenes[:130]]
    write_scenes(folder / "scenes.jsonl", pictured)
    return folder


def everything(inputs: Path, out: Path, name: str) -> dict[str, str]:
    """What a check, a search for duplicates, shards and all programs give on an engine, by name."""
    engine, rows = get_engine(name, 2), inputs / "rows.jsonl"
    build_shards(rows, out, ShardSettings(inputs, records=500), engine)
    build("programs", [inputs / "scenes.jsonl"], out / "programs.jsonl", engine=name, workers=2)
    found = {
        "check": list(check_rows(rows, CheckSettings(inputs), engine)),
        "dedup": find_duplicates(rows, DedupSettings(image_root=inputs), engine),
        **{file.name: file.read_bytes() for file in sorted(out.iterdir())},
    }
    return {name: hashlib.sha256(repr(value).encode()).hexdigest() for name, value in found.items()}


@pytest.fixture(scope="module")
def locally(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    found = everything(inputs, tmp_path_factory.mktemp("local"), "local")
    assert set(found) == {
        *("check", "dedup", "00000.tar", "00001.tar", "00002.tar", "manifest.json", "problems.jsonl"),
        "programs.jsonl",
    }
    return found


@pytest.mark.parametrize("name", ["processes", "ray"])
def test_what_is_built_does_not_depend_on_the_engine(inputs, locally, tmp_path, name, request):
    if name == "ray":
        request.getfixturevalue("ray")
    assert everything(inputs, tmp_path, name) == locally


@pytest.mark.parametrize("name", ["local", "processes"])
def test_items_are_taken_as_they_are_needed(name):
    results = get_engine(name, 2).map(square, count())
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    results.close() if hasattr(results, "close") else None


def test_a_killed_worker_is_a_sentence():
    with pytest.raises(UserError, match="a worker process was killed"):
        list(get_engine("processes", 1).map(dies, [1]))


def test_unknown_engines_and_no_workers_are_refused():
    with pytest.raises(UserError, match="did you mean 'ray'"):
        get_engine("rai")
    with pytest.raises(UserError, match="number of workers is 0"):
        get_engine("local", 0)
