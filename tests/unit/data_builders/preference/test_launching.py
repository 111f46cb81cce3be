"""Builds as the command starts them: endpoints, two teachers, settings, and a whole build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data_builders.builders import Builder, builders
from data_builders.preference import PREFERENCE
from data_builders.preference.verifying import verify_file
from data_builders.programs.inputs import Annotations
from data_builders.prompted.launching import launch
from data_builders.scenes import Scene, write_scenes
from data_builders.teachers import openai_compatible
from data_builders.teachers.limits import Backoff
from mmtune.errors import UserError
from tests.endpoints import Server, serve
from tests.unit.data_builders.preference.building import rows_of


def test_an_endpoint_that_is_down_and_one_that_refuses(
    captioned: list[Scene], tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(openai_compatible, "Backoff", lambda attempts, _: Backoff(attempts, base_s=0.01))
    write_scenes(tmp_path / "scenes.jsonl", captioned[:3])
    settings: dict[str, Any] = {"inputs": [tmp_path / "scenes.jsonl"], "model": "m"}
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9"):
        launch(PREFERENCE["rlaif_v"], out=tmp_path / "down", teacher="http://127.0.0.1:9/v1", **settings)
    refusing = Server(write=lambda body: "I cannot assist with this request.")
    with serve(refusing) as server, pytest.raises(UserError, match="3 x the teacher refuses to answer"):
        launch(PREFERENCE["rlaif_v"], out=tmp_path / "no", teacher=server.url, **settings)


def test_two_teachers_work_side_by_side(captioned: list[Scene], tmp_path: Path, drawn: Path):
    write_scenes(tmp_path / "scenes.jsonl", captioned[:4])

    def write(body: dict[str, Any]) -> str:
        # Its own seed comes with the request, so that candidates differ.
        return f"There is a picture of kind {body.get('seed', 0) % 1000}."

    with serve(Server(write=write)) as server:
        settings: dict[str, Any] = {"teacher": server.url, "model": "m", "image_root": drawn, "candidates": 3}
        with pytest.raises(UserError, match="answers were rejected"):
            launch(PREFERENCE["rlaif_v"], out=tmp_path / "out", inputs=[tmp_path / "scenes.jsonl"],
                   labeller="rules", **settings)  # fmt: skip
        assert len(server.bodies) == 12 and {body["temperature"] for body in server.bodies} == {0.7}
        assert len({body["seed"] for body in server.bodies}) == 3
    summary = json.loads((tmp_path / "out" / "build.json").read_text())
    assert summary["teacher"]["labeller"] == {"kind": "rules", "model": "rules"}
    assert {row["reason"] for row in rows_of(tmp_path / "out", "rejected")} == {
        "no candidate is better than another"
    }


def test_settings_are_for_those_that_have_them(captioned: list[Scene], tmp_path: Path):
    write_scenes(tmp_path / "scenes.jsonl", captioned[:2])
    inputs = [tmp_path / "scenes.jsonl"]
    for name, option, settings in (
        ("povid_teacher", "--candidates", {"candidates": 3}),
        ("rlaif_v", "--noise-step", {"noise_step": 3}),
        ("povid_noised", "--labeller", {"labeller": "rules"}),
    ):
        with pytest.raises(UserError, match=option):
            launch(PREFERENCE[name], out=tmp_path / "out", inputs=inputs, teacher="rules", **settings)
    with pytest.raises(UserError, match="labeller's model is not named"):
        launch(PREFERENCE["rlaif_v"], out=tmp_path / "out", inputs=inputs, teacher="rules",
               labeller="http://127.0.0.1:9/v1")  # fmt: skip
    with pytest.raises(UserError, match="nothing to build from"):
        launch(PREFERENCE["rlaif_v"], out=tmp_path / "out", teacher="rules")
    for name in ("povid", *PREFERENCE):
        assert isinstance(builders()[name], Builder)


def test_a_whole_build_verifies_and_balances(captioned: list[Scene], tmp_path: Path):
    write_scenes(tmp_path / "scenes.jsonl", captioned)
    done = launch(
        PREFERENCE["rlaif_v"], out=tmp_path / "out", inputs=[tmp_path / "scenes.jsonl"], teacher="rules"
    )
    balanced = rows_of(tmp_path / "out", "balanced")
    assert done.counts["balanced pairs"] == len(balanced) <= 2 * len(captioned) < done.counts["records"]
    told = json.loads((tmp_path / "out" / "lengths.json").read_text())
    assert told["balanced"]["pairs"] == len(balanced)
    gap = {key: abs(told[key]["chosen_words"] - told[key]["rejected_words"]) for key in told}
    assert gap["balanced"] <= gap["all"]
    assert gap["balanced"] <= 0.01 * told["balanced"]["rejected_words"]
    checked = verify_file(tmp_path / "out" / "balanced.jsonl", Annotations((tmp_path / "scenes.jsonl",)))
    assert (checked.counts["records"], checked.problems) == (len(balanced), "")
