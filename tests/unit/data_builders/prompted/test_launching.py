"""A prompted build from plain settings: inputs, teachers by name, a price before spending."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data_builders.prompted import PROMPTED
from data_builders.prompted.base import Source
from data_builders.prompted.launching import Launched, launch, sources_of
from data_builders.scenes import write_scenes
from mmtune.errors import UserError
from mmtune.records import write_llava
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


def test_from_records_and_rules(scenes: Path, records: Path):
    built = go("mmevol", scenes, teacher="rules", records=records)
    assert built.counts["records"] == 15
    (scenes.parent / "none.jsonl").write_text("")
    with pytest.raises(UserError, match="is in none of the files"):
        list(sources_of([scenes.parent / "none.jsonl"], records))


def test_batch_files_say_what_to_do_next(scenes: Path):
    built = go("llava_conversation", scenes, teacher="batch", model="m")
    assert built.counts["records"] == 0
    assert "requests-0001.jsonl" in built.problems
    assert "run the same command again" in built.problems


def test_a_dry_run_tells_the_price_and_touches_nothing(scenes: Path, caplog: pytest.LogCaptureFixture):
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
        ({"teacher": "rules", "prompts": Path("nowhere")}, "no such folder of prompts"),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], said: str, scenes: Path):
    with pytest.raises(UserError, match=said):
        go("llava_conversation", scenes, **settings)


def test_every_builder_can_be_listed_and_built_by_its_own_function(scenes: Path):
    for name, builder in PROMPTED.items():
        assert builder.name == name
        assert builder.needs
        assert builder.makes
        assert ", arXiv " in builder.paper
    built = PROMPTED["llava_detail"].build(out=scenes.parent / "own", inputs=[scenes], teacher="rules")
    assert built.counts["records"] == 5


def test_names_and_files_that_there_are_not(scenes: Path):
    with pytest.raises(UserError, match="did you mean 'llava_detail'"):
        go("llava_details", scenes, teacher="rules")
    with pytest.raises(UserError, match="no such file of scenes"):
        go("llava_detail", scenes.parent / "gone.jsonl", teacher="rules")
