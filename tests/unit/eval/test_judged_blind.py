"""The blind baseline of a benchmark that a judge marks, where it has no value."""

from __future__ import annotations

import json

from PIL import Image

from data_builders.teachers.opening import Hiring
from eval.judges.after_run import judge_run
from eval.judges.judging import Judging
from eval.runner import evaluate
from eval.tasks import TaskConfig, build_tasks
from mmtune.commands.judged_table import tell_judged
from tests import judged_files
from tests.unit.eval.conftest import SeeingEngine


def test_blind_questions_that_failed_are_the_reason_for_no_blind_score(tmp_path):
    case = judged_files.write("mmvet", tmp_path / "mmvet")
    config = TaskConfig("mmvet", str(case.annotations), str(tmp_path / "images"))
    (task,) = build_tasks([config]).values()
    for item in task.load():
        for image in item.images:
            path = tmp_path / "images" / image
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (220, 30, 30)).save(path, "PNG")
    out = tmp_path / "out"
    results = evaluate(SeeingEngine(), build_tasks([config]), out, resamples=20)
    path = out / "predictions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    named = ("task", "id", "blind", "image", "question")
    failed = [{name: row[name] for name in named} | {"error": "It is down."} for row in rows if row["blind"]]
    assert failed
    path.write_text("".join(json.dumps(row) + "\n" for row in [r for r in rows if not r["blind"]] + failed))
    told = judge_run(out, results, [config], Judging(Hiring("rules")))["tasks"]["mmvet"]
    assert told["metrics"]["total"]["value"] is not None
    why = "none of the questions about other images was answered: It is down"
    assert told["blind_lacking"]["total"] == why


def test_a_task_without_an_answer_does_not_ask_for_a_judge(capsys):
    tell_judged({"tasks": {name: {"needs_judge": True, "n": n} for name, n in (("none", 0), ("some", 3))}})
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["some"]
