"""Verdicts that did not come: they are listed, kept apart and asked for again, and nothing else is lost."""

from __future__ import annotations

import json

import pytest

from tests import judged_files
from tests.commands import run
from tests.endpoints import Server, serve
from tests.judge_asking import ATTEMPTS, fails, judge
from tests.judged_files import said_by_the_judge


@pytest.mark.usefixtures("impatient")
def test_items_without_a_verdict_are_listed_and_asked_for_again_and_nothing_else_is(tmp_path):
    """Three items time out; the score says 21 of 24, and the next run asks for these three alone."""
    case = judged_files.write("mmvet", tmp_path / "files")
    slow = ("Number 4.", "Number 5.", "Number 6.")

    def mood(number, body):
        return "hang" if any(text in body["messages"][-1]["content"] for text in slow) else "good"

    with serve(Server(write=said_by_the_judge, mood=mood)) as server:
        some = judge(server, case, tmp_path / "out", "--timeout", "0.6")
        asked = len(server.bodies)
        assert asked == 21 + 3 * ATTEMPTS
        assert (some["n"], some["of"], some["complete"]) == (21, 24, False)
        assert list(some["without_verdict"]) == ["v1_4", "v1_5", "v1_6"]
        assert some["without_verdict"]["v1_4"] == "timeout: no answer within 0.6 s"
        assert some["metrics"]["total"]["n"] == 21
        told = run([*case.words, "--judge", "rules", "--out", "x"], tmp_path)
        assert "no model judged" in told
        # What a replay makes of judgements with gaps is the same score with the same gaps.
        again = json.loads(run(["judge", "--replay", "out", "--out", "again", "--json"], tmp_path))
        assert again == some
        server.mood = lambda number, body: "good"
        whole = judge(server, case, tmp_path / "out", "--timeout", "0.6")
        assert len(server.bodies) == asked + 3
    assert (whole["n"], whole["without_verdict"]) == (24, {})
    assert whole["metrics"]["total"]["value"] == pytest.approx(2 / 3)


@pytest.mark.usefixtures("impatient")
def test_an_endpoint_that_goes_down_leaves_what_it_said(tmp_path, capsys):
    case = judged_files.write("mmhal", tmp_path / "files")
    words = [*case.words, "--out", str(tmp_path / "out"), "--concurrency", "1"]
    with serve(
        Server(write=said_by_the_judge, mood=lambda number, body: "good" if number < 10 else 402)
    ) as server:
        error = fails(capsys, [*words, "--judge", f"openai:{server.url}#asked"])
        assert "no money left" in error
        some = json.loads((tmp_path / "out" / "judged.json").read_text())
        assert (some["n"], some["of"], some["items_without_verdict"]) == (10, 24, 14)
        assert some["without_verdict"]["10"] == "not asked: the run ended early"
        again = json.loads(run(["judge", "--replay", "out", "--out", "again", "--json"], tmp_path))
        assert again == some
        server.mood = lambda number, body: "good"
        before = len(server.bodies)
        assert judge(server, case, tmp_path / "out")["n"] == 24
        assert len(server.bodies) == before + 14


@pytest.mark.usefixtures("impatient")
def test_half_characters_cost_an_item_its_verdict_and_nothing_else(tmp_path):
    """JSON may hold one half of a surrogate pair, which no file and no request can."""
    case = judged_files.write("mmvet", tmp_path / "files")
    case.answers.write_text(json.dumps(json.loads(case.answers.read_text()) | {"v1_2": "red \ud83d"}))

    def mood(number, body):
        return "half a character" if "Number 7." in body["messages"][-1]["content"] else "good"

    with serve(Server(write=said_by_the_judge, mood=mood)) as server:
        result = judge(server, case, tmp_path / "out")
    assert (result["n"], list(result["without_verdict"])) == (22, ["v1_2", "v1_7"])
    assert "half a character" in result["without_verdict"]["v1_2"]
    assert result["without_verdict"]["v1_7"] == "unusable: the answer holds half of a surrogate pair"
    again = json.loads(run(["judge", "--replay", "out", "--out", "again", "--json"], tmp_path))
    assert again == result


def test_an_item_is_scored_over_all_runs_or_not_at_all(tmp_path):
    case = judged_files.write("llavabench", tmp_path / "files")

    def mood(number, body):
        first_place = body["messages"][-1]["content"].split("[Answer 2]")[0]
        swapped, second_run = "Number" in first_place, body.get("seed") == 1
        text = body["messages"][-1]["content"]
        lost = ("Number 4." in text and second_run and not swapped) or ("Number 6." in text and swapped)
        return 400 if lost else "good"

    with serve(Server(write=said_by_the_judge, mood=mood)) as server:
        result = judge(server, case, tmp_path / "out", "--runs", "2")
    assert (result["n"], result["of"], result["runs"]["n"]) == (23, 24, 2)
    assert list(result["without_verdict"]) == ["4"] and "status 400" in result["without_verdict"]["4"]
    assert result["orders"]["n"] == 22  # one more has no reply in the other order
    again = json.loads(run(["judge", "--replay", "out", "--out", "again", "--json"], tmp_path))
    assert again == result
