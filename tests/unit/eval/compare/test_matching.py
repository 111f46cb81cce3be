"""What is compared: items by id, over what all runs answered, and what is said of the rest."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from eval.compare import compare, parse_groups
from tests.stored_runs import PLAIN, right_or_wrong, write_run
from tests.unit.eval.compare.runs import QUICK, given


def test_every_figure_is_that_of_the_runs_own_metrics(seen_runs):
    """Counts of the rows, joint ones included, give what metrics.json says, for both models."""
    found = compare(given(*seen_runs), QUICK)
    assert set(found["tasks"]) == {"pope_random", "vqav2", "chair", "captions", "coco_captions"}
    for place, folder in enumerate(seen_runs):
        for name, task in json.loads((folder / "metrics.json").read_text())["tasks"].items():
            for metric, stored in task["metrics"].items():
                if stored["value"] is None:
                    continue
                shown = found["tasks"][name]["metrics"][metric]["values"][place]
                assert shown["value"] == pytest.approx(stored["value"]), (name, metric)
    cider = found["tasks"]["coco_captions"]["metrics"]["cider"]["against_first"][1]
    assert cider["difference"] < 0 and cider["test"] == "swap_exact"
    assert found["tasks"]["vqav2"]["flips"][1] == {"both": 9, "only_first": 3, "only_this": 0, "neither": 0}
    assert found["notes"] == []


def test_only_what_all_runs_answered_is_compared_and_the_rest_is_said(tmp_path):
    rows = right_or_wrong([1, 0, 1, 1, 0, 1])
    failing = [replace(row, error="the image is damaged") if row.id == "2" else row for row in rows]
    write_run(tmp_path / "a", {"plain": (PLAIN, failing[:5]), "more": (PLAIN, rows)})
    write_run(tmp_path / "b", {"plain": (PLAIN, rows[::-1])})
    found = compare(given(tmp_path / "a", tmp_path / "b"), QUICK)
    task = found["tasks"]["plain"]
    assert (task["n"], task["of"], task["answered"]) == (4, 6, [4, 6])
    assert task["only"] == [{"n": 0, "ids": []}, {"n": 2, "ids": ["5", "2"]}]
    assert [one["value"] for one in task["metrics"]["accuracy"]["values"]] == [0.5, 0.5], (
        "by id, not by place"
    )
    assert found["notes"] == ["plain is compared over 4 of 6 items"]
    assert found["not_compared"] == {"more": "not every run has it"}


def test_metrics_of_several_answers_are_left_out_where_the_answers_are_not_the_same(seen_runs):
    """CIDEr weighs words by all images that are scored: over other images it is another score."""
    path = seen_runs[1] / "predictions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    lost = next(row for row in rows if row["task"] == "coco_captions")
    for name in ("prediction", "counts", "joint"):
        del lost[name]
    lost["error"] = "gone"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    metrics = json.loads((seen_runs[1] / "metrics.json").read_text())
    metrics["tasks"]["coco_captions"]["n"] -= 1
    (seen_runs[1] / "metrics.json").write_text(json.dumps(metrics))
    found = compare(given(*seen_runs), QUICK)
    assert "cider" not in found["tasks"]["coco_captions"]["metrics"]
    assert "rouge_l" in found["tasks"]["coco_captions"]["metrics"]
    assert any("cider" in note and "not compared" in note for note in found["notes"])


def test_a_note_says_what_was_asked_otherwise(pair):
    write_run(pair[1], {"plain": (PLAIN, right_or_wrong([1] * 31))}, prompt="Look: {question}")
    (note,) = compare(given(*pair), QUICK)["notes"]
    assert "another prompt" in note and "Look: {question}" in note


def test_names_tell_the_models_apart(tmp_path):
    for folder in ("x/eval", "y/eval", "z"):
        write_run(tmp_path / folder, {"plain": (PLAIN, right_or_wrong([1, 0]))})
    groups = parse_groups([str(tmp_path / "x/eval"), str(tmp_path / "y/eval"), f"mine={tmp_path / 'z'}"])
    assert [group.name for group in groups] == ["x/eval", "y/eval", "mine"]
    seeds = parse_groups([f"{tmp_path / 'x/eval'},{tmp_path / 'y/eval'}", str(tmp_path / "z")])
    assert [group.name for group in seeds] == ["eval and 1 more", "z"]
    assert [len(group.runs) for group in seeds] == [2, 1]
