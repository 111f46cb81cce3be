"""What a run's folder holds for a comparison, and how it is read back."""

from __future__ import annotations

import json

import pytest

from eval.compare import read_run
from eval.compare.comparing import stored_task
from eval.tasks import TASKS
from mmtune.errors import UserError


def test_the_runs_hold_what_a_comparison_needs(seen_runs):
    rows = [json.loads(line) for line in (seen_runs[0] / "predictions.jsonl").read_text().splitlines()]
    captions = [row for row in rows if row["task"] == "coco_captions" and not row["blind"]]
    assert all(set(row["joint"]) == {"cider"} for row in captions)
    assert not any("joint" in row for row in rows if row["task"] == "pope_random" or row["blind"])
    submitted = {row.get("submitted") for row in rows if row["task"] == "vqav2" and not row["blind"]}
    assert submitted == {"red", "green", "blue", "white"}
    results = json.loads((seen_runs[0] / "metrics.json").read_text())
    assert results["tasks"]["pope_random"]["config"]["prompt"] == "bare"
    accuracy = results["tasks"]["chair"]["metrics"]["mentions_per_caption"]
    assert {"se", "detectable"} <= set(accuracy)


def test_a_run_is_read_back_whole(seen_runs):
    run = read_run(seen_runs[0])
    assert len(run.answered("pope_random")) == 24
    with pytest.raises(UserError, match="no such run"):
        read_run(seen_runs[0] / "deeper")


def test_every_benchmark_can_be_compared_without_its_files():
    for name in TASKS:
        assert stored_task("it", {"benchmark": name}).primary
