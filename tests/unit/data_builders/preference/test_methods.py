"""What is special to single methods: labels, ratings, frames and critiques that decide."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_builders.preference import PREFERENCE, offline
from data_builders.preference.ratings import DECIDING
from data_builders.prompted.base import Source
from data_builders.prompted.launching import sources_of
from data_builders.prompted.run import run
from data_builders.scenes import Scene
from data_builders.teachers.base import Request
from data_builders.teachers.rules import Rule
from mmtune.errors import UserError
from mmtune.records import IMAGE_PLACEHOLDER, ImageRef, Record, Turn, parse_preference, write_llava
from tests.unit.data_builders.preference.building import Noting, built, kit_of, rows_of


def test_a_labeller_prefers_and_the_scene_has_the_last_word(bare: list[Source], tmp_path: Path, drawn: Path):
    pairs, _, _ = built("rlaif_v", bare, tmp_path / "scene", drawn)
    for pair in pairs:
        scores = pair.meta["scores"]
        denied = [claim for claim, label in scores["rejected"]["judge"].items() if label == "0"]
        assert [edit["false"] for edit in pair.rejected_edits] == denied
        assert pair.margin == scores["chosen"]["score"] - scores["rejected"]["score"]
        assert -scores["rejected"]["score"] == len(denied)
    turned: dict[str, Rule] = {
        "rlaif_v_label": lambda request: "No." if offline.scene_says(request) == "yes" else "yes"
    }
    with pytest.raises(UserError, match="answers were rejected"):
        built("rlaif_v", bare, tmp_path / "turned", drawn, turned)
    assert all("the scene refutes it" in row["reason"] for row in rows_of(tmp_path / "turned", "rejected"))
    unsure: dict[str, Rule] = {"rlaif_v_label": lambda request: "perhaps"}
    with pytest.raises(UserError, match="neither yes nor no"):
        built("rlaif_v", bare, tmp_path / "unsure", drawn, unsure)
    same: dict[str, Rule] = {"rlaif_v_label": lambda request: "yes"}
    with pytest.raises(UserError, match="answers were rejected"):
        built("rlaif_v", bare, tmp_path / "same", drawn, same)
    assert {row["reason"] for row in rows_of(tmp_path / "same", "rejected")} == {
        "no candidate is better than another"
    }


def test_complexity_and_verbosity_decide_nothing(bare: list[Source], tmp_path: Path, drawn: Path):
    def long_is_complex(request: Request) -> str:
        seed_of = len(request.facts["answer"])
        marks = dict.fromkeys(DECIDING, 2)
        return json.dumps({**marks, "complexity": seed_of % 5, "verbosity": seed_of % 5})

    with pytest.raises(UserError, match="answers were rejected"):
        built("ratings", bare, tmp_path, drawn, {"ratings_rate": long_is_complex})
    assert "by 2 points" in rows_of(tmp_path, "rejected")[-1]["reason"]
    rated = {"helpfulness": 5, "correctness": 1, "coherence": 1, "complexity": 1, "verbosity": 1}
    with pytest.raises(UserError, match="not a whole number from 0 to 4"):
        built("ratings", bare, tmp_path / "five", drawn, {"ratings_rate": lambda request: json.dumps(rated)})


def test_questions_about_frames_are_asked_with_all_of_them(
    captioned: list[Scene], tmp_path: Path, drawn: Path
):
    clip = drawn / "clip"
    clip.mkdir(exist_ok=True)
    for place, scene in enumerate(captioned[:3]):
        (clip / f"{place}.png").write_bytes((drawn / f"{scene.id}.png").read_bytes())
    video = Record(
        "v", (Turn("user", "<image>\nHi"), Turn("assistant", "Hello.")), (ImageRef("clip", video=True),)
    )
    several = Record(
        "s",
        (Turn("user", "<image><image>\nHi"), Turn("assistant", "Hello.")),
        tuple(ImageRef(f"{scene.id}.png") for scene in captioned[:2]),
    )
    write_llava(tmp_path / "records.jsonl", [video, several])
    builder, asked = PREFERENCE["videosavi"], Noting(PREFERENCE["videosavi"].rules)
    asked.rules = {**builder.rules, "videosavi_score": lambda request: json.dumps({"score": len(request.facts["answer"]) % 9 + 1}),
                   "candidate": lambda request: "It moves" + " on" * request.settings.seed + "."}  # fmt: skip
    run(builder, sources_of([], tmp_path / "records.jsonl"), asked, tmp_path / "out", kit_of(drawn))
    shown = {len(request.messages[-1].images) for request in asked.asked}
    assert shown == {3, 2}
    pairs = [parse_preference(row, 0) for row in rows_of(tmp_path / "out", "records")]
    assert {pair.meta["frames"] for pair in pairs} == {3, 2}
    assert {pair.images for pair in pairs} == {video.images, several.images}
    assert {pair.prompt[0].text.count(IMAGE_PLACEHOLDER) for pair in pairs} == {1, 2}
    assert "changes" in pairs[1].prompt[0].text


def test_a_critique_becomes_turns(bare: list[Source], tmp_path: Path, drawn: Path):
    pairs, _, _ = built("dress", bare, tmp_path, drawn)
    for direct, refined in zip(pairs[::2], pairs[1::2], strict=True):
        assert (direct.chosen, direct.rejected) == (refined.chosen, refined.rejected)
        assert len(direct.prompt) == 1 and refined.prompt[0] == direct.prompt[0]
        assert [turn.role for turn in refined.prompt] == ["user", "assistant"] * (
            len(refined.prompt) // 2
        ) + ["user"]
        assert refined.prompt[-1].text == refined.meta["critique"]["suggestion"]
        assert refined.prompt[-2].text == refined.rejected
        assert refined.meta["critique"]["scores"]["chosen"] > refined.meta["critique"]["scores"]["rejected"]
    stubborn: dict[str, Rule] = {"dress_refine": lambda request: request.facts["answer"]}
    with pytest.raises(UserError, match="answers were rejected"):
        built("dress", bare, tmp_path / "stubborn", drawn, stubborn)
    content: dict[str, Rule] = {"candidate": lambda request: offline.described(request.facts["scene"], 1, 0)}
    with pytest.raises(UserError, match="answers were rejected"):
        built("dress", bare, tmp_path / "content", drawn, content)
    assert "nothing to mend" in rows_of(tmp_path / "content", "rejected")[0]["reason"]
