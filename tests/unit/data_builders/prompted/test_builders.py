"""Every prompted builder from scenes to records, with rules in the teacher's place, and with bad teachers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data_builders.prompted import PROMPTED, Kit, PromptedBuilder, Source
from data_builders.prompted.prompts import SHIPPED
from data_builders.prompted.run import dry_run, run
from data_builders.prompted.verifying import verify
from data_builders.scenes import Scene
from data_builders.teachers.base import Request
from data_builders.teachers.ledger import Price
from data_builders.teachers.rules import Rule, Rules
from mmtune.errors import UserError
from mmtune.records import Record, Turn, parse_llava

RESULTS = [
    {"kind": kind, "question": f"{kind} {n}?", "right": n % 3 == 0}
    for kind in ("count", "color")
    for n in range(6)
]
KIT = Kit(options={"results": RESULTS})
TEXT_ONLY = {"llavar", "textsquare", "proctag"}


def built(
    builder: PromptedBuilder, sources: list[Source], folder: Path, **changed: Rule
) -> tuple[list[Record], list[dict[str, Any]], list[dict[str, Any]]]:
    """Records, rejections and failures, with some rules changed."""
    run(builder, sources, Rules({**builder.rules, **changed}), folder, KIT)
    rows, rejected, failures = (
        [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        for name in ("records", "rejected", "failures")
    )
    return [parse_llava(row, place) for place, row in enumerate(rows)], rejected, failures


@pytest.mark.parametrize("name", PROMPTED)
def test_records_with_evidence_provenance_and_nothing_untrue(
    name: str, sources: list[Source], tmp_path: Path
):
    builder = PROMPTED[name]
    records, rejected, failures = built(builder, sources, tmp_path)
    scenes = {source.scene.id: source.scene for source in sources}
    with_text = [source for source in sources if any(item.text for item in source.scene.objects)]
    if name in TEXT_ONLY:
        assert len(failures) == len(sources) - len(with_text)
        assert {row["reason"].partition(" (")[0] for row in failures} <= {"nothing is written in the scene"}
    else:
        assert failures == []
    assert len({record.id for record in records}) == len(records) >= len(with_text)
    assert rejected == [] or name in ("mmevol", "textsquare")
    for record in records:
        if name == "proctag":
            assert record.meta["complexity"] == len(record.meta["program"]) >= len(record.meta["tags"]) > 0
            continue
        scene = scenes[record.meta["scene"]]
        assert record.meta["builder"] == name
        assert record.meta["licence"] == scene.licence != ""
        assert record.meta["source"]["teacher"] == {"kind": "rules", "model": "rules"}
        assert record.images == (scene.image,)
        answers = [turn for turn in record.turns if turn.role == "assistant"]
        evidence = record.meta["evidence"]
        assert evidence["scenes"] == [scene.id]
        assert len(evidence["turns"]) == len(answers)
        assert {item for turn in evidence["turns"] for item in turn} <= {item.id for item in scene.objects}
        assert verify(record, scenes) == []


def test_a_record_that_was_changed_does_not_verify(sources: list[Source], tmp_path: Path):
    scenes = {source.scene.id: source.scene for source in sources}
    records, _, _ = built(PROMPTED["llava_conversation"], sources, tmp_path)
    for record in records:
        absent = sorted(
            scenes[record.meta["scene"]].exhaustive_classes - _names(scenes[record.meta["scene"]])
        )[0]
        lie = replace(record, turns=(*record.turns[:-1], Turn("assistant", f"There is a {absent}.")))
        assert any(f"there is no {absent}" in reason for reason in verify(lie, scenes))
        other = {
            **record.meta,
            "evidence": {**record.meta["evidence"], "turns": [["o9"]] * (len(record.turns) // 2)},
        }
        assert verify(replace(record, meta=other), scenes)
        assert verify(record, {}) == [f"there is no scene {record.meta['scene']!r}"]


def _names(scene: Scene) -> set[str]:
    return {item.name for item in scene.objects}


@pytest.mark.parametrize("name", PROMPTED)
def test_the_same_again_and_from_where_it_stopped(name: str, sources: list[Source], tmp_path: Path):
    builder = PROMPTED[name]
    run(builder, sources, Rules(builder.rules), tmp_path / "whole", KIT)
    run(builder, sources[:20], Rules(builder.rules), tmp_path / "parts", KIT)
    report = run(builder, sources, Rules(builder.rules), tmp_path / "parts", KIT)
    assert report.skipped > 0
    for file in ("records.jsonl", "rejected.jsonl"):
        assert (tmp_path / "parts" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


@pytest.mark.parametrize("name", PROMPTED)
@pytest.mark.parametrize(
    "text", ["", "error", "{}", "[]", "null", "I cannot help with that.", '{"a": 1}', "Question:\nWho?"]
)
def test_no_garbage_becomes_data(name: str, text: str, sources: list[Source], tmp_path: Path):
    """A teacher whose last step always answers wrongly gives no record, and says so."""
    builder = PROMPTED[name]
    with_text = [source for source in sources if any(item.text for item in source.scene.objects)][:3]
    last = [*builder.rules][-1] if name != "mm_instruct" else "mm_instruct_filter"
    if name == "llava_o1":
        last = name
    with pytest.raises(UserError, match="not one record was built"):
        built(builder, with_text, tmp_path, **{last: lambda request: text})
    assert (tmp_path / "records.jsonl").read_text() == ""


@pytest.mark.parametrize("name", PROMPTED)
def test_a_dry_run_counts_what_the_build_asks(name: str, sources: list[Source], tmp_path: Path):
    builder = PROMPTED[name]
    estimate = dry_run(builder, sources, KIT, Price(1.0, 2.0))
    report = run(builder, sources, Rules(builder.rules), tmp_path, KIT)
    assert estimate.units == len(sources)
    assert sum(estimate.unusable.values()) == len(report.failures)
    assert 0 < estimate.requests <= report.replies
    assert estimate.completion_tokens == estimate.requests * KIT.settings.max_tokens
    assert "price at most" in str(estimate)
    assert not list(tmp_path.glob("*.partial"))


class Noting(Rules):
    """Rules that remember which of them were asked."""

    def __init__(self, rules: Any) -> None:
        super().__init__(rules)
        self.asked: set[str] = set()

    def answer(self, request: Request) -> Any:
        self.asked.add(request.kind)
        return super().answer(request)


def test_every_rule_is_asked_for_and_every_prompt_is_used(sources: list[Source], tmp_path: Path):
    asked: set[str] = set()
    for name, builder in PROMPTED.items():
        rules = Noting(builder.rules)
        run(builder, sources, rules, tmp_path / name, KIT)
        assert rules.asked | {"llava_o1_judge"} >= set(builder.rules)
        asked |= rules.asked
    assert asked | {"llava_o1_judge"} == {path.stem for path in SHIPPED.glob("*.md")}


def test_untrue_turns_are_left_out_and_reported(sources: list[Source], tmp_path: Path):
    lie = "Question:\nIs there a violin?\n===\nAnswer:\nNo.\n===\nQuestion:\nWhat is it?\n===\nAnswer:\n{}"

    def lying(request: Request) -> str:
        scene = request.facts["scene"]
        absent = sorted(scene.exhaustive_classes - {item.name for item in scene.objects})[0]
        return lie.format(f"There is a {absent}.")

    records, rejected, _ = built(PROMPTED["llava_conversation"], sources, tmp_path, llava_conversation=lying)
    assert all(len(record.turns) == 2 for record in records)
    assert len(rejected) == len(records) == len(sources)
    assert all(row["reason"].startswith("there is no ") for row in rejected)


def test_a_scene_without_an_image_gives_no_record(sources: list[Source], tmp_path: Path):
    bare = [Source(replace(sources[0].scene, image=None)), *sources[1:3]]
    _, _, failures = built(PROMPTED["llava_conversation"], bare, tmp_path)
    assert [row["unit"] for row in failures] == [bare[0].id]
    assert "has no image" in failures[0]["reason"]


def test_other_prompts_are_another_build(sources: list[Source], tmp_path: Path):
    from data_builders.prompted import Prompts

    builder, own = PROMPTED["llava_conversation"], tmp_path / "prompts"
    own.mkdir()
    (own / "llava_conversation.md").write_text("## user\nAsk about: {{ captions }}\n")
    run(builder, sources, Rules(builder.rules), tmp_path / "out", KIT)
    with pytest.raises(UserError, match="differs in prompts"):
        run(builder, sources, Rules(builder.rules), tmp_path / "out", Kit(Prompts(own), options=KIT.options))
