"""Preference builders with rules in the teacher's place, and with bad teachers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data_builders.builders import Builder, builders
from data_builders.preference import PREFERENCE, offline
from data_builders.preference.asking import PROMPTS, candidate
from data_builders.preference.ratings import DECIDING
from data_builders.preference.verifying import verify, verify_file
from data_builders.programs.inputs import Annotations
from data_builders.prompted.base import Kit, Source
from data_builders.prompted.claims import check_answer
from data_builders.prompted.launching import launch
from data_builders.prompted.prompts import Prompts
from data_builders.prompted.run import dry_run, run
from data_builders.scenes import Scene, write_scenes
from data_builders.teachers import openai_compatible
from data_builders.teachers.base import Failure, Message, Reply, Request, UnusableError
from data_builders.teachers.ledger import BudgetError
from data_builders.teachers.limits import Backoff
from data_builders.teachers.routed import Routed
from data_builders.teachers.rules import Rule, Rules
from mmtune.errors import UserError
from mmtune.records import (
    IMAGE_PLACEHOLDER,
    ImageRef,
    Preference,
    Record,
    Turn,
    parse_preference,
    write_llava,
)
from tests.endpoints import Server, serve

ASKED = [name for name in PREFERENCE if name not in ("videosavi", "povid_noised")]
"""Those that put a record's own question."""


ANSWERING = ("candidate", "dress_refine", "videosavi_questions")


def kit_of(drawn: Path, **options: Any) -> Kit:
    return Kit(Prompts(None, PROMPTS), image_root=drawn, options=options)


def rows_of(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def built(
    name: str,
    sources: list[Source],
    folder: Path,
    drawn: Path,
    rules: Mapping[str, Rule] | None = None,
    **options: Any,
) -> tuple[list[Preference], list[dict[str, Any]], list[dict[str, Any]]]:
    """Pairs, rejections and failures, with some rules changed."""
    builder = PREFERENCE[name]
    run(builder, sources, Rules({**builder.rules, **(rules or {})}), folder, kit_of(drawn, **options))
    pairs = [parse_preference(row, place) for place, row in enumerate(rows_of(folder, "records"))]
    return pairs, rows_of(folder, "rejected"), rows_of(folder, "failures")


@pytest.fixture
def bare(sources: list[Source]) -> list[Source]:
    """Six scenes without records, whose images are drawn."""
    return [Source(source.scene) for source in sources[:6]]


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


class Noting(Rules):
    """Rules that remember what they were asked."""

    def __init__(self, rules: Any) -> None:
        super().__init__(rules)
        self.asked: list[Request] = []

    def answer(self, request: Request) -> Any:
        self.asked.append(request)
        return super().answer(request)


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


def test_what_is_taken_for_the_truth_must_not_be_untrue(sources: list[Source], tmp_path: Path, drawn: Path):
    source = sources[0]
    absent = sorted(source.scene.exhaustive_classes - {item.name for item in source.scene.objects})[0]
    lie = replace(
        source.the_record(),
        turns=(Turn("user", "<image>\nWhat?"), Turn("assistant", f"There is a {absent}.")),
    )
    with pytest.raises(UserError, match="answers were rejected"):
        built("povid_teacher", [Source(source.scene, lie)], tmp_path, drawn)
    assert "what is to be the truth is untrue" in rows_of(tmp_path, "rejected")[0]["reason"]


def edits(*found: tuple[str, str, str]) -> Rule:
    return lambda request: json.dumps({"edits": [{"kind": k, "true": t, "false": f} for k, t, f in found]})


def test_edits_of_a_teacher_are_put_in_exactly_and_only_false_ones(
    sources: list[Source], tmp_path: Path, drawn: Path
):
    scene = sources[0].scene
    name, absent = (
        scene.objects[0].name,
        sorted(scene.exhaustive_classes - {item.name for item in scene.objects}),
    )
    text = f"There is a {name}, and it is a sunny day."
    record = Record("r", (Turn("user", "<image>\nWhat?"), Turn("assistant", text)), (scene.image,))  # type: ignore[arg-type]
    one = [Source(scene, record)]
    rule = edits(("object", name, absent[0]), ("attribute", "sunny", "rainy"))
    (pair,), rejected, _ = built("povid_teacher", one, tmp_path / "scene", drawn, {"povid_teacher": rule})
    assert pair.rejected == text.replace(name, absent[0])
    assert [(edit["true"], edit["shown_by"]) for edit in pair.rejected_edits] == [(name, "scene")]
    assert [row["text"] for row in rejected] == ["sunny -> rainy"]
    judge: dict[str, Rule] = {"povid_teacher": rule, "povid_judge": lambda request: '{"false": true}'}
    (pair,), rejected, _ = built("povid_teacher", one, tmp_path / "judge", drawn, judge)
    assert [edit["shown_by"] for edit in pair.rejected_edits] == ["scene", "labeller"] and rejected == []
    assert pair.rejected == text.replace(name, absent[0]).replace("sunny", "rainy")
    assert verify(pair, {scene.id: scene}) == []
    for place, (wrong, said) in enumerate(
        {
            ("object", "giraffe", "zebra"): "stands 0 times",
            ("object", "a", "the"): "stands 2 times",
            ("object", name, name.upper()): "not replaced by other words",
            ("sound", name, absent[0]): "an edit has not kind",
        }.items()
    ):
        folder = tmp_path / f"wrong{place}"
        with pytest.raises(UserError, match=said):
            built("povid_teacher", one, folder, drawn, {"povid_teacher": edits(wrong)})
    overlap = edits(("object", f"a {name}", f"an {absent[0]}"), ("object", name, absent[0]))
    with pytest.raises(UserError, match="overlaps"):
        built("povid_teacher", one, tmp_path / "overlap", drawn, {"povid_teacher": overlap})


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
    from data_builders.prompted.launching import sources_of

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


def test_refusals_are_no_candidates():
    for text in ("I'm sorry, I can't help with that.", " ", "Look: <image>", "A <video>"):
        with pytest.raises(UnusableError):
            candidate(text)
    assert candidate(" There is a cat. ") == "There is a cat."


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


def test_routed_teachers_answer_what_is_theirs_and_raise_what_they_raise():
    writer, labeller = Rules({"write": lambda request: "w"}), Rules({"judge": lambda request: "j"})
    requests = [
        Request(str(n), (Message("user", "x"),), kind="judge" if n % 3 else "write") for n in range(30)
    ]

    async def through(teacher: Any) -> list[Any]:
        return [answer async for answer in teacher.ask(requests)]

    answers = asyncio.run(through(Routed(writer, labeller, frozenset({"judge"}))))
    assert {answer.id: answer.text for answer in answers if isinstance(answer, Reply)} == {
        str(n): "j" if n % 3 else "w" for n in range(30)
    }
    assert not [answer for answer in answers if isinstance(answer, Failure)]

    class Down(Rules):
        async def ask(self, requests: Any) -> Any:
            raise UserError("the endpoint is down")
            yield

    with pytest.raises(UserError, match="endpoint is down"):
        asyncio.run(through(Routed(writer, Down({}), frozenset({"judge"}))))


def test_what_is_under_way_is_handed_on_where_the_budget_is_spent():
    paid: list[Any] = []

    class Spent(Rules):
        async def ask(self, requests: Any) -> Any:
            async for _ in requests:
                raise BudgetError("the budget is spent")
                yield

    class Slow(Rules):
        async def ask(self, requests: Any) -> Any:
            async for request in requests:
                paid.append(request.id)
                await asyncio.sleep(0.1)
                yield Reply(request.id, "late")

    async def through() -> None:
        requests = [Request(f"{kind}{n}", (), kind=kind) for n in range(3) for kind in ("write", "judge")]
        async for answer in Routed(Slow({}), Spent({}), frozenset({"judge"})).ask(requests):
            got.append(answer.id)

    got: list[str] = []
    with pytest.raises(BudgetError):
        asyncio.run(through())
    assert got == paid == ["write0"]


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
