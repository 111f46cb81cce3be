"""What is particular to single builders: lineage, judges, balance of options, weights, tags."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from data_builders.prompted import PROMPTED, Kit, Source
from data_builders.prompted.dataengine import Result, results, weights
from data_builders.prompted.proctag import choose, tags_of
from data_builders.teachers.base import Request
from mmtune.errors import UserError
from tests.unit.data_builders.prompted.test_builders import built


def test_an_evolution_is_judged_against_its_own_parent(sources: list[Source], tmp_path: Path):
    judged: list[tuple[str, str]] = []
    accepted: set[tuple[str, str]] = set()

    def judge(request: Request) -> str:
        judged.append((request.facts["parent_question"], request.facts["child_question"]))
        worse = len(judged) % 3 == 0
        accepted.update(() if worse else {judged[-1]})
        return json.dumps({"parent": 5, "child": 3 if worse else 7, "improved": not worse, "reason": "so"})

    records, rejected, _ = built(PROMPTED["mmevol"], sources[:8], tmp_path, mmevol_judge=judge)
    by_id = {record.id: record for record in records}
    assert (len(judged), len(records), len(rejected)) == (24, 16, 8)
    question = {record.id: record.turns[0].text.removeprefix("<image>\n") for record in records}
    question |= {source.id: source.the_record().turns[0].text.removeprefix("<image>\n") for source in sources}
    for record in records:
        assert (question[record.meta["parent"]], question[record.id]) in accepted
        line = record.meta["lineage"]
        assert line[0]["parent"] in {source.id for source in sources}
        assert [step["round"] for step in line] == sorted({step["round"] for step in line})
        for step in line[1:]:
            assert step["parent"] in by_id
        assert line[-1]["parent"] == record.meta["parent"]


def test_a_judge_that_contradicts_itself_is_not_heard(sources: list[Source], tmp_path: Path):
    def judge(request: Request) -> str:
        return json.dumps({"parent": 9, "child": 2, "improved": True, "reason": "so"})

    with pytest.raises(UserError, match="whose score is lower"):
        built(PROMPTED["mmevol"], sources[:4], tmp_path, mmevol_judge=judge)


def test_a_wrong_conclusion_is_left_out(sources: list[Source], tmp_path: Path):
    builder = PROMPTED["llava_o1"]
    stages = builder.rules["llava_o1"]

    def wrong(request: Request) -> str:
        text = stages(request)
        return text.replace(f"<CONCLUSION>{request.facts['gold']}", "<CONCLUSION>Something else")

    with pytest.raises(UserError, match="answers were rejected"):
        built(builder, sources[:4], tmp_path / "wrong", llava_o1=wrong)

    def telling(request: Request) -> str:
        return stages(request).replace("<SUMMARY>", "<SUMMARY>The right answer is known. ")

    with pytest.raises(UserError, match="answers were rejected"):
        built(builder, sources[:4], tmp_path / "telling", llava_o1=telling)
    records, _, _ = built(builder, sources[:4], tmp_path / "right")
    assert [record.turns[1].text.count("<CONCLUSION>") for record in records] == [1] * 4


def test_the_right_option_stands_at_every_place(sources: list[Source], tmp_path: Path):
    records, _, _ = built(PROMPTED["mminstruct"], sources, tmp_path)
    kinds = Counter(record.meta["kind"] for record in records)
    assert kinds == {"judgement": 30, "choice": 30, "short": 30, "long": 30}
    letters = Counter(record.turns[1].text for record in records if record.meta["kind"] == "choice")
    assert set(letters) == set("ABCD")
    for record in records:
        if record.meta["kind"] == "choice":
            lines = record.turns[0].text.splitlines()
            right = next(line for line in lines if line.startswith(record.turns[1].text + ". "))
            assert not any(word in right for word in ("lantern", "violin", "teapot", "anchor"))


def test_the_correction_corrects_and_drops(sources: list[Source], tmp_path: Path):
    def correct(request: Request) -> str:
        if "Which" in request.facts["question"]:
            return json.dumps({"drop": True, "answer": ""})
        if request.facts["answer"] == "Yes":
            return json.dumps({"drop": False, "answer": "no"})
        return json.dumps({"drop": False, "answer": request.facts["answer"]})

    records, rejected, _ = built(PROMPTED["mminstruct"], sources, tmp_path, mminstruct_correct=correct)
    reasons = Counter(row["reason"].split()[0] for row in rejected)
    assert reasons == {"dropped": 30, "there": 30}  # the corrected judgement denies what is there
    assert Counter(record.meta["kind"] for record in records) == {"short": 30, "long": 30}


def test_a_pool_of_tasks_is_asked_for_once(sources: list[Source], tmp_path: Path):
    asked: list[Request] = []
    expand = PROMPTED["mm_instruct"].rules["mm_instruct_expand"]

    def noting(request: Request) -> str:
        asked.append(request)
        return expand(request)

    built(PROMPTED["mm_instruct"], sources, tmp_path, mm_instruct_expand=noting)
    assert len(asked) == 30
    assert 10 <= len({request.messages for request in asked}) <= 20


def test_answers_that_do_not_agree_are_left_out_and_open_ones_are_kept_long(
    sources: list[Source], tmp_path: Path
):
    def said(verdict: str):
        return lambda request: json.dumps({"consistent": verdict})

    agreeing, _, _ = built(PROMPTED["adamllm"], sources[:3], tmp_path / "yes", adamllm_check=said("yes"))
    open_, _, _ = built(PROMPTED["adamllm"], sources[:3], tmp_path / "open", adamllm_check=said("open"))
    assert all("In short: " in record.turns[3].text for record in agreeing)
    assert not any("In short: " in record.turns[3].text for record in open_)
    assert all(record.turns[1].text in sources[place].scene.captions for place, record in enumerate(open_))
    with pytest.raises(UserError, match="answers were rejected"):
        built(PROMPTED["adamllm"], sources[:3], tmp_path / "no", adamllm_check=said("no"))


def test_what_fails_the_evaluation_is_left_out(sources: list[Source], tmp_path: Path):
    def evaluate(request: Request) -> str:
        return json.dumps(
            {"meaningful": True, "right": "line 1" in request.facts["question"], "reasoned": True}
        )

    records, rejected, _ = built(PROMPTED["textsquare"], sources, tmp_path, textsquare_evaluate=evaluate)
    assert all("line 1" in record.turns[0].text for record in records)
    assert {row["reason"] for row in rejected} == {"evaluated as not right"}


def test_weights_follow_what_a_model_fails_at():
    found = [Result("count", "q", n < 2) for n in range(10)] + [
        Result("color", "q", n < 8) for n in range(10)
    ]
    assert weights(found) == pytest.approx({"count": 0.75, "color": 0.25})
    assert weights(found, smoothing=0) == pytest.approx({"count": 0.8, "color": 0.2})
    assert weights([Result("a", "q", True)]) == {"a": 1.0}
    with pytest.raises(UserError, match="no results"):
        weights([])
    with pytest.raises(UserError, match="row 1"):
        results(
            [{"kind": "a", "question": "q", "right": True}, {"kind": "a", "question": "q", "right": "yes"}]
        )


def test_more_is_built_of_what_fails_and_failures_are_shown(sources: list[Source], tmp_path: Path):
    prompts: list[str] = []
    questions = PROMPTED["dataengine"].rules["dataengine"]

    def noting(request: Request) -> str:
        prompts.append(" ".join(message.text for message in request.messages))
        return questions(request)

    records, _, _ = built(PROMPTED["dataengine"], sources, tmp_path, dataengine=noting)
    assert {record.meta["kind"] for record in records} == {"count", "color"}
    assert all("The model failed on:" in text for text in prompts)
    with pytest.raises(UserError, match="no results"):
        next(PROMPTED["dataengine"].steps(sources[0], Kit()))


def test_tags_choose_variety_before_more_of_the_same():
    assert tags_of(["locate: a", "read: b", "locate: c"]) == ["locate", "read"]
    rows = [
        {"id": "simple", "tags": ["read"], "complexity": 1},
        {"id": "long", "tags": ["locate", "read"], "complexity": 6},
        {"id": "alike", "tags": ["locate", "read"], "complexity": 5},
        {"id": "sum", "tags": ["compute"], "complexity": 2},
    ]
    assert [row["id"] for row in choose(rows, 2)] == ["long", "sum"]
    assert [row["id"] for row in choose(rows, 3)] == ["long", "alike", "sum"]
    assert choose(rows, 9) == rows
