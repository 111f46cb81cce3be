"""What is told of checks: paired differences, items that fail, answers that are kept, the table and the page."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from eval.asking import Ask
from eval.report import write_report
from eval.results import Plan
from eval.robustness import parse_kinds
from eval.runner import _evaluate, evaluate
from eval.sharing import Peers
from eval.tasks import TaskConfig, build_tasks
from mmtune.commands.metrics_table import show_metrics
from mmtune.errors import UserError
from tests.unit.eval.coloured_choices import knows, options_shown, write_choices
from tests.unit.eval.pages import read
from tests.unit.eval.scripted import Scripted, run_scripted


def test_a_difference_is_paired_and_draws_whole_images(world, tmp_path):
    """Two images of twelve are lost: the interval of the difference is far narrower than that of unpaired
    scores, and none for what all images share."""

    def say(ask: Ask) -> str:
        lost = ask.alteration and ("000001." in ask.image or "000002." in ask.image)
        return "-" if lost or "000003." in ask.image or "000004." in ask.image else knows(world, ask)

    results, _ = run_scripted(say, [write_choices(world)], "blur:1", tmp_path)
    found = results["robustness"]["cvbench"]["blur"]["conditions"]["blur:1"]["difference"]["accuracy"]
    assert found["value"] == pytest.approx(-2 / 12)
    assert -0.5 < found["low"] < -2 / 12 < found["high"] <= 0.0
    assert (found["n"], found["clusters"]) == (12, 12)


def test_answers_are_kept_and_known_the_next_time(world, tmp_path):
    config = [world.configs["pope"]]
    backend = Scripted(lambda ask: "yes")
    tasks = build_tasks(config)
    items = {name: task.load() for name, task in tasks.items()}

    def go(robust: str):
        plan = Plan(False, 8, 20, 0, "generate", True, parse_kinds(robust.split(",") if robust else ()))
        backend.asked.clear()
        results = _evaluate(backend, tasks, items, tmp_path, plan, None, Peers())
        return len(backend.asked), results

    assert go("")[0] == 24 and not (tmp_path / "robustness.jsonl").exists()
    # Images of one colour are the same bytes: four images, and as many questions about each.
    assert go("jpeg:1+2")[0] == 48
    rows = [json.loads(line) for line in (tmp_path / "robustness.jsonl").read_text().splitlines()]
    assert len(rows) == 48 and {row["task"] for row in rows} == {"pope_random"}
    assert {row["condition"] for row in rows} == {"jpeg:1", "jpeg:2"}
    assert go("jpeg:1+2,noise:1")[0] == 24
    asked_again, results = go("jpeg:1+2,noise:1")
    assert asked_again == 0 and set(results["robustness"]["pope_random"]) == {"jpeg", "noise"}
    assert go("")[1]["robustness"] == {} and not (tmp_path / "robustness.jsonl").exists()


def test_an_item_that_fails_under_a_condition_fails_there_alone(world, tmp_path):
    def say(ask: Ask) -> str | UserError:
        return UserError("too noisy") if ask.alteration and "000003" in ask.image else knows(world, ask)

    results, _ = run_scripted(say, [write_choices(world)], "noise", tmp_path)
    told = results["robustness"]["cvbench"]["noise"]
    assert results["tasks"]["cvbench"]["n"] == 12
    assert [(one["n"], one["of"], one["failed"]) for one in told["conditions"].values()] == [(11, 12, 1)] * 5
    assert "too noisy" in next(iter(told["conditions"]["noise:1"]["failures"].values()))
    assert told["summary"]["mean_drop"]["n"] == 11


def test_scores_of_several_answers_together_are_compared_too(tmp_path):
    """MME's pairs: under blur every second question is wrong, and so every pair."""
    lines = [
        f"{n}.jpg\tIs {word}? Please answer yes or no.\tYes" for n in range(6) for word in ("it", "that")
    ]
    (tmp_path / "mme").mkdir()
    (tmp_path / "mme" / "existence.txt").write_text("".join(line + "\n" for line in lines))

    def say(ask: Ask) -> str | UserError:
        if ask.alteration and "4.jpg" in ask.image and "that" in ask.text:
            return UserError("lost")
        return "no" if ask.alteration and "that" in ask.text else "yes"

    results, _ = run_scripted(say, [TaskConfig("mme", str(tmp_path / "mme"))], "blur:1", tmp_path / "out")
    one = results["robustness"]["mme"]["blur"]["conditions"]["blur:1"]
    assert results["tasks"]["mme"]["metrics"]["accuracy_plus"]["value"] == 1.0
    assert (one["n"], one["of"], one["clean"]["accuracy_plus"]["value"]) == (11, 12, 1.0)
    # The pair that lost a question counts in neither: half a pair is easier to get right.
    for metrics, value in ((one["metrics"], 0.0), (one["clean"], 1.0)):
        assert (metrics["accuracy_plus"]["value"], metrics["accuracy_plus"]["n"]) == (value, 5)
    assert one["difference"]["accuracy_plus"]["value"] == pytest.approx(-1.0)


def test_without_a_score_there_is_still_the_share_of_answers_that_change(world, tmp_path):
    """Answers that await a judge, and questions whose truth the benchmark keeps to itself."""
    rows = {
        f"v1_{n}": {"imagename": world.file(n), "question": "What?", "answer": "a", "capability": ["ocr"]}
        for n in range(1, 5)
    }
    images = str(world.root / "images")
    judged = TaskConfig("mmvet", str(world.write("mm-vet.json", rows)), images)
    truthless = replace(world.configs["vqav2"], annotations=None)
    results, _ = run_scripted(
        lambda ask: ask.alteration or "-", [judged, truthless], "blur,paraphrase,no-image", tmp_path
    )
    for name, of in (("mmvet", 4), ("vqav2", 12)):
        told = results["robustness"][name]
        one = told["blur"]["conditions"]["blur:1"]
        assert (one["n"], one["of"], one["metrics"], one["difference"]) == (of, of, {}, {})
        assert one["changed"]["value"] == 1.0 and told["blur"]["summary"] == {}
        assert told["paraphrase"]["summary"]["changed"]["value"] == 0.0


def test_table_and_report_tell_of_all_checks(world, seeing, tmp_path, capsys):
    robust = ["paraphrase", "permute", "inject:command-top+answer-bottom", "blur", "no-image"]
    tasks = build_tasks([world.configs["pope"], write_choices(world)])
    (world.root / "images" / world.file(5)).write_bytes(b"")
    engine_reply = seeing._reply
    seeing._reply = lambda text, colour: (
        next((k for k, v in options_shown(text).items() if v == colour), "A")
        if "\nA. " in text
        else engine_reply(text, colour)
    )
    found = evaluate(seeing, tasks, tmp_path, blind=False, how="generate", resamples=30, robust=robust)
    show_metrics(found)
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "yes-bias" in shown
        and "robustness of cvbench, 11 of 12 items: accuracy" in shown
        and "blur:5" in shown
    )
    text = read(write_report(tmp_path, results=found, predictions=tmp_path / "predictions.jsonl"))
    for said in (
        'id="robustness"',
        "position bias",
        "follows command-top",
        "mean drop over severities",
        "Yes-bias",
    ):
        assert said in text
    assert "Not asked: pope_random has no items with a list" in text
    assert "11 of 12" in text and text.count('class="curves"') == 2
    json.loads((tmp_path / "metrics.json").read_text())


def test_results_of_before_there_were_checks_give_a_page(world, seeing, tmp_path):
    found = evaluate(seeing, build_tasks([world.configs["pope"]]), tmp_path, resamples=5)
    for name in ("robustness",):
        del found[name]
    for task in found["tasks"].values():
        for name in ("confidence", "yes_bias", "abstention"):
            del task[name]
    assert 'id="robustness"' not in write_report(tmp_path, results=found).read_text()
