"""Every preference builder with rules in the teacher's place, and with bad teachers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from data_builders.preference import PREFERENCE
from data_builders.preference.asking import PROMPTS, candidate
from data_builders.preference.verifying import verify
from data_builders.prompted.base import Kit, Source
from data_builders.prompted.claims import check_answer
from data_builders.prompted.prompts import Prompts
from data_builders.prompted.run import dry_run, run
from data_builders.teachers.base import UnusableError
from data_builders.teachers.rules import Rule, Rules
from mmtune.errors import UserError
from tests.unit.data_builders.preference.building import Noting, built, kit_of, rows_of

ASKED = [name for name in PREFERENCE if name not in ("videosavi", "povid_noised")]
"""Those that put a record's own question."""
ANSWERING = ("candidate", "dress_refine", "videosavi_questions")
"""Kinds of requests whose teacher sees the images and answers; it is told nothing that is annotated."""


@pytest.mark.parametrize("name", PREFERENCE)
def test_pairs_with_provenance_whose_chosen_answer_is_not_refuted(
    name: str, bare: list[Source], tmp_path: Path, drawn: Path
):
    pairs, rejected, failures = built(name, bare, tmp_path, drawn)
    scenes = {source.scene.id: source.scene for source in bare}
    assert len({pair.id for pair in pairs}) == len(pairs) >= len(bare) - len(rejected) - len(failures)
    assert pairs
    for pair in pairs:
        one = scenes[pair.meta["scene"]]
        assert verify(pair, scenes) == []
        assert check_answer("", pair.chosen, one).reasons == ()
        assert check_answer("", pair.rejected, one).reasons
        assert pair.margin is not None and pair.margin > 0
        assert pair.rejected_edits and pair.chosen_facts
        assert (pair.meta["builder"], pair.meta["licence"]) == (name, one.licence)
        assert pair.meta["source"]["teacher"]["model"] == "rules"
        assert pair.images == (one.image,)
    changed = replace(pairs[0], chosen=pairs[0].rejected, rejected=pairs[0].chosen)
    assert verify(changed, scenes)
    assert verify(pairs[0], {}) == [f"there is no scene {pairs[0].meta['scene']!r}"]


@pytest.mark.parametrize("name", ASKED)
def test_questions_of_records_are_kept(name: str, sources: list[Source], tmp_path: Path, drawn: Path):
    pairs, _, _ = built(name, sources[:6], tmp_path, drawn)
    firsts = {source.id: source.the_record().turns[0] for source in sources}
    for pair in pairs:
        assert pair.prompt[0] == firsts[pair.meta["parent"]]


@pytest.mark.parametrize("name", PREFERENCE)
def test_the_same_again_and_from_where_it_stopped(name: str, bare: list[Source], tmp_path: Path, drawn: Path):
    built(name, bare, tmp_path / "whole", drawn)
    built(name, bare[:3], tmp_path / "parts", drawn)
    built(name, bare, tmp_path / "parts", drawn)
    for file in ("records.jsonl", "rejected.jsonl"):
        assert (tmp_path / "parts" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_a_dry_run_counts_and_every_prompt_is_used(bare: list[Source], tmp_path: Path, drawn: Path):
    asked: set[str] = set()
    for name, builder in PREFERENCE.items():
        rules = Noting(builder.rules)
        run(builder, bare, rules, tmp_path / name, kit_of(drawn))
        asked |= {request.kind for request in rules.asked}
        estimate = dry_run(builder, bare, kit_of(drawn))
        assert 0 < estimate.requests <= len(rules.asked)
        assert all(request.messages[-1].images for request in rules.asked if request.kind != "rlaif_v_divide")
        # Who sees the images and answers is not told what is annotated; who judges is.
        for request in rules.asked:
            told = "What is known" in " ".join(message.text for message in request.messages)
            assert told == (request.kind not in (*ANSWERING, "rlaif_v_divide")), request.kind
    assert asked == {path.stem for path in PROMPTS.glob("*.md")}


@pytest.mark.parametrize("name", PREFERENCE)
@pytest.mark.parametrize("said", ["I'm sorry, but I cannot help with that.", "", "null", "<image>"])
def test_a_teacher_that_refuses_everything_gives_nothing_and_says_so(
    name: str, said: str, bare: list[Source], tmp_path: Path, drawn: Path
):
    rules: dict[str, Rule] = {kind: lambda request: said for kind in PREFERENCE[name].rules}
    # A text that is no refusal may be an answer; what judges it then fails.
    with pytest.raises(UserError, match="not one record was built"):
        built(name, bare, tmp_path, drawn, rules)
    assert (tmp_path / "records.jsonl").read_text() == ""
    reported = rows_of(tmp_path, "failures") + rows_of(tmp_path, "rejected")
    assert {row["unit"] for row in reported} == {source.id for source in bare}
    assert all(row["reason"] for row in reported)


@pytest.mark.parametrize("name", ["rlaif_v", "ratings", "videosavi"])
def test_candidates_that_are_all_the_same_are_reported(
    name: str, bare: list[Source], tmp_path: Path, drawn: Path
):
    with pytest.raises(UserError, match="answers were rejected"):
        built(name, bare, tmp_path, drawn, {"candidate": lambda request: "There is  a thing.\n"})
    assert {row["reason"] for row in rows_of(tmp_path, "rejected")} == {"all candidates are the same"}
    with pytest.raises(UserError, match="1 candidates cannot be compared"):
        built(name, bare, tmp_path / "one", drawn, candidates=1)


def test_what_a_scene_lacks_is_said_with_its_id(sources: list[Source], tmp_path: Path, drawn: Path):
    scene = replace(sources[0].scene, objects=(), relations=(), captions=())
    rest = [Source(source.scene) for source in sources[1:4]]
    _, _, failures = built("povid_teacher", [Source(scene), *rest], tmp_path, drawn)
    assert failures[0]["unit"] == scene.id and "no true answer to start from" in failures[0]["reason"]
    blind = Kit(Prompts(None, PROMPTS))
    rules = Rules(PREFERENCE["rlaif_v"].rules)
    report = run(PREFERENCE["rlaif_v"], [Source(scene), *rest], rules, tmp_path / "blind", blind)
    assert "neither captions nor objects" in report.failures[0]["reason"]
    with pytest.raises(UserError, match="noise goes over images"):
        run(PREFERENCE["povid_noised"], rest, Rules(PREFERENCE["povid_noised"].rules), tmp_path / "n", blind)
    without = Source(replace(sources[0].scene, image=None))
    report = run(
        PREFERENCE["dress"], [without, *rest], Rules(PREFERENCE["dress"].rules), tmp_path / "d", blind
    )
    assert "there is no image" in report.failures[0]["reason"]


def test_refusals_are_no_candidates():
    for text in ("I'm sorry, I can't help with that.", " ", "Look: <image>", "A <video>"):
        with pytest.raises(UnusableError):
            candidate(text)
    assert candidate(" There is a cat. ") == "There is a cat."
