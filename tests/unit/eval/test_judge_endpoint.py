"""Judges behind a real endpoint on loopback: every benchmark from answers to score, and all that can go wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmtune import cli
from tests import judged_files
from tests.commands import run
from tests.endpoints import Server, serve
from tests.judged_files import TASKS, Judged, said_by_the_judge

EXPECTED = {
    "mmvet": ("total", 2 / 3),
    "llavabench": ("relative", (16 * 6 + 8 * 2) / (24 * 8)),
    "mmhal": ("rating", (16 * 6 + 8 * 1) / 24),
    "hallusionbench": ("accuracy", 2 / 3),
}


def judge(server: Server, case: Judged, out: Path, *more: str) -> dict:
    words = [*case.words, "--judge", f"openai:{server.url}#asked", "--out", str(out), "--json", *more]
    return json.loads(run(words, out.parent))


def fails(capsys, words: list[str]) -> str:
    assert cli.main(words) == 2
    return capsys.readouterr().err


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("task", TASKS)
def test_from_answers_to_score_and_again_without_the_judge(task, tmp_path):
    case = judged_files.write(task, tmp_path / "files")
    with serve(Server(write=said_by_the_judge)) as server:
        result = judge(server, case, tmp_path / "out")
        asked = len(server.bodies)
    primary, value = EXPECTED[task]
    assert (result["n"], result["of"], result["complete"]) == (24, 24, True)
    assert result["metrics"][primary]["value"] == pytest.approx(value)
    assert (result["unparsed"], result["replies"]) == (0, asked)
    assert result["judge"]["asked"]["model"] == "asked"
    assert result["judge"]["models"] == {"m-1": asked}  # the name is the server's, not the one asked for
    header, *judgements = rows(tmp_path / "out" / "judgements.jsonl")
    assert header["prompt"]["sha256"] == result["judge"]["prompt"]["sha256"]
    assert len(judgements) == asked and all(row["reply"] for row in judgements)
    # The endpoint is gone; the figures are the same.
    again = json.loads(run(["judge", "--replay", "out", "--out", "again", "--json"], tmp_path))
    assert again == result
    for name in ("judgements.jsonl", "verdicts.jsonl", "judged.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    # And the benchmark's own scorer reads the verdicts.
    words = ["score", task, "--predictions", "out/verdicts.jsonl", "--annotations", str(case.annotations), "--json"]
    assert json.loads(run(words, tmp_path))["metrics"] == result["metrics"]


def test_both_orders_are_asked_and_a_judge_that_favours_a_place_is_seen_through(tmp_path):
    case = judged_files.write("llavabench", tmp_path / "files")
    with serve(Server(write=said_by_the_judge)) as server:
        fair = judge(server, case, tmp_path / "fair")
    assert fair["orders"]["consistency"]["value"] == 1.0
    assert fair["orders"]["first_place_advantage"]["value"] == 0.0
    with serve(Server(write=lambda body: "9 4\nThe first.")) as server:
        biased = judge(server, case, tmp_path / "biased")
        assert len(server.bodies) == 48
    orders = biased["orders"]
    assert orders["consistency"]["value"] == 0.0 and orders["inconsistent_items"] == 24
    assert orders["first_place_advantage"]["value"] == 5.0
    assert orders["official"]["value"] == pytest.approx(4 / 9)
    assert orders["swapped"]["value"] == pytest.approx(9 / 4)
    assert orders["both"]["value"] == pytest.approx(1.0)
    with serve(Server(write=said_by_the_judge)) as server:
        once = judge(server, case, tmp_path / "once", "--no-swap")
    assert "orders" not in once and once["metrics"] == fair["metrics"]
