"""The runner: blind baseline, failures, flushing, answer files; with an engine that sees, and with a real one."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from eval import runner
from eval.asking import derange, plan_asks
from eval.backends import Answer
from eval.backends.checkpoint import Checkpoint
from eval.collecting import collect
from eval.metrics.intervals import ALL_ALIKE
from eval.options import Options, options_of
from eval.report import write_report
from eval.runner import evaluate, run
from eval.sharing import Peers, work
from eval.tasks import Item, TaskConfig, build_tasks
from mmtune import cli
from mmtune.commands.metrics_table import show_metrics
from mmtune.decode.options import Ranking
from mmtune.decode.requests import Completion
from mmtune.errors import UserError
from tests.unit.eval.conftest import SeeingEngine


def rows(out):
    return [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from("abcdefgh"), max_size=20), st.integers(0, 5))
def test_no_image_stands_for_itself_in_the_blind_baseline(images, seed):
    other = derange(images, seed)
    distinct = set(images)
    if len(distinct) < 2:
        assert other == {}
    else:
        assert set(other) == set(other.values()) == distinct
        assert all(image != shown for image, shown in other.items())
    assert other == derange(images, seed)


def test_one_image_and_prompt_is_asked_once_for_all_tasks(world):
    tasks = build_tasks(world.configs.values())
    items = {name: task.load() for name, task in tasks.items()}
    asks = plan_asks(tasks, items, blind=True, seed=0)
    waiting = [w for group in asks.values() for w in group]
    assert len(waiting) == 2 * sum(len(each) for each in items.values())
    descriptions = [ask for ask in asks if ask.text.startswith("Describe")]
    assert len(descriptions) == 2 * world.images  # the blind description of an image is its own description
    order = [ask.image for ask in asks]
    assert order == sorted(order, key=order.index)  # questions about one image stand together


def test_a_model_that_sees_scores_high_and_blind_low(world, seeing, tmp_path):
    results = evaluate(seeing, build_tasks(world.configs.values()), tmp_path / "out", resamples=200)
    pope, vqa = results["tasks"]["pope_random"], results["tasks"]["vqav2"]
    assert pope["metrics"]["f1"]["value"] == 1.0
    assert pope["metrics"]["f1"]["low"] < 1.0
    assert pope["blind"]["accuracy"]["value"] < 0.8
    assert vqa["metrics"]["accuracy"]["value"] == 1.0
    assert vqa["blind"]["accuracy"]["value"] < 0.6
    assert results["tasks"]["chair"]["metrics"]["chair_i"]["value"] == 0.0
    assert results["tasks"]["chair"]["blind"]["chair_i"]["value"] > 0.4
    assert results["tasks"]["captions"]["metrics"]["object_recall"]["value"] == 1.0
    assert vqa["by"]["question_type"]["which"]["metrics"]["accuracy"]["n"] == 6
    assert json.loads((tmp_path / "out/metrics.json").read_text()) == results


def test_each_image_is_opened_once_for_all_tasks(world, seeing, tmp_path):
    lengths = [replace(config, max_new_tokens=n) for n, config in enumerate(world.configs.values(), 8)]
    evaluate(seeing, build_tasks(lengths), tmp_path, resamples=10)
    assert len(seeing.opened) == len(set(seeing.opened)) == world.images


def test_every_answer_is_kept_with_its_truth(world, seeing, tmp_path):
    evaluate(seeing, build_tasks([world.configs["vqav2"]]), tmp_path, resamples=10)
    kept = rows(tmp_path)
    assert len(kept) == 24
    seen = next(row for row in kept if not row["blind"])
    assert seen["right"] and seen["prediction"].lower() == seen["truth"]
    assert seen["counts"]["accuracy"] == 1.0
    assert (tmp_path / "answers/vqav2.answers.json").exists()


def test_an_image_that_fails_fails_its_items_and_the_score_says_so(world, seeing, tmp_path, caplog):
    (world.root / "images" / world.file(3)).write_bytes(b"")
    (world.root / "images" / world.file(4)).unlink()
    results = evaluate(seeing, build_tasks([world.configs["pope"]]), tmp_path, resamples=10)
    pope = results["tasks"]["pope_random"]
    assert (pope["n"], pope["of"], pope["complete"], pope["failed"]) == (20, 24, False, 4)
    assert pope["metrics"]["accuracy"] | {"n": 20, "value": 1.0} == pope["metrics"]["accuracy"]
    assert "20 of 24" in caplog.text
    assert any("empty" in reason for reason in pope["failures"].values())
    assert (tmp_path / "answers/pope_random.answers.partial.jsonl").exists()
    assert sum("error" in row for row in rows(tmp_path)) == 8


def test_a_limit_is_a_score_over_fewer_items_and_says_so(world, seeing, tmp_path, caplog, capsys):
    task = build_tasks([replace(world.configs["pope"], limit=7)])
    results = evaluate(seeing, task, tmp_path, resamples=10)
    pope = results["tasks"]["pope_random"]
    assert (pope["n"], pope["of"], pope["complete"], pope["limit"]) == (7, 24, False, 7)
    assert "7 of 24" in caplog.text
    show_metrics(results)
    assert "pope_random is scored over 7 of 24 items" in capsys.readouterr().out


def test_what_has_no_interval_and_what_the_script_misreads_is_told_wherever_scores_are_shown(
    world, seeing, tmp_path, capsys
):
    """Always yes is half right about every image, so that drawing images tells nothing; "hm" is yes to POPE."""
    config = world.configs["pope"]
    seeing._reply = lambda text, colour: "hm" if f" {colour} " in text else "yes"
    results = evaluate(seeing, build_tasks([config]), tmp_path, blind=False, resamples=30)
    assert results["tasks"]["pope_random"]["metrics"]["accuracy"]["why"] == ALL_ALIKE
    show_metrics(results)
    told = capsys.readouterr().out
    assert f"no interval of pope_random: {ALL_ALIKE}\n" in told and "f1_fixed" in told
    page = write_report(tmp_path, results=results).read_text()
    # A long reason is a cell that may break, or it would push the columns behind it out of sight.
    assert f'<td class="n why">none: {ALL_ALIKE}' in page and f'<td class="n">none: {ALL_ALIKE}' not in page
    assert f'<div class="rest">no interval: {ALL_ALIKE}</div>' in page
    file = str(tmp_path / "predictions.jsonl")
    assert cli.main(["score", "pope", "--predictions", file, "--annotations", config.annotations]) == 0
    assert "no interval of accuracy, precision, f1" in capsys.readouterr().out


def test_without_a_second_image_there_is_no_blind_baseline(world, seeing, tmp_path):
    path = world.root / "coco_pope_random.json"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:2]))
    pope = evaluate(seeing, build_tasks([world.configs["pope"]]), tmp_path, resamples=10)["tasks"][
        "pope_random"
    ]
    assert (pope["n"], pope["blind"]) == (2, {})


def test_blind_can_be_left_out(world, seeing, tmp_path):
    results = evaluate(seeing, build_tasks([world.configs["pope"]]), tmp_path, blind=False, resamples=10)
    assert results["tasks"]["pope_random"]["blind"] is None
    assert len(seeing.asked) == 24


def test_pope_splits_have_a_mean(world, seeing, tmp_path):
    other = world.root / "coco_pope_popular.json"
    other.write_text((world.root / "coco_pope_random.json").read_text())
    apart = world.root / "gqa_pope_random.json"
    apart.write_text(other.read_text())
    configs = [replace(world.configs["pope"], annotations=str(path)) for path in (other, apart)]
    results = evaluate(seeing, build_tasks([world.configs["pope"], *configs]), tmp_path, resamples=50)
    summary = results["summary"]
    assert summary["pope_mean_f1"]["value"] == 1.0
    assert summary["pope_mean_f1"]["n"] == 48
    assert summary["pope_mean_f1"]["splits"] == ["pope_random", "pope_popular"]
    page = write_report(tmp_path, results=results, predictions=tmp_path / "predictions.jsonl").read_text()
    assert "POPE, mean F1 of 2 splits" in page and "POPE GQA random, F1" in page


def test_answers_so_far_are_on_disk_when_a_run_dies_and_are_not_asked_again(world, seeing, tmp_path):
    answers, task = seeing.answers, world.configs["pope"]
    evaluate(seeing, build_tasks([task]), tmp_path / "whole", resamples=10)
    asked = len(seeing.asked)

    def die_later(*args, **kwargs):
        for number, found in enumerate(answers(*args, **kwargs)):
            if number == 9:
                raise KeyboardInterrupt
            yield found

    seeing.answers = die_later
    out = tmp_path / "out"
    out.mkdir()
    (out / "metrics.json").write_text("{}")
    with pytest.raises(KeyboardInterrupt):
        evaluate(seeing, build_tasks([task]), out, resamples=10)
    assert len((out / "answered.jsonl").read_text().splitlines()) == 9 <= len(rows(out))
    assert not (out / "metrics.json").exists()
    with (out / "answered.jsonl").open("a") as file:
        file.write('{"key": "half a li')
    seeing.answers, seeing.asked = answers, []
    results = evaluate(seeing, build_tasks([task]), out, resamples=10)
    # Images of one colour are the same bytes, so that an answer about one is known of all.
    assert len(seeing.asked) + results["timing"]["known"] == asked and results["timing"]["known"] >= 9
    assert (out / "predictions.jsonl").read_text() == (tmp_path / "whole/predictions.jsonl").read_text()


def test_answers_of_a_run_that_was_stopped_are_told_apart_from_a_finished_ones(
    world, seeing, tmp_path, capsys
):
    """Nine of 24 items: whoever scores, judges, shows or compares them hears it, unless told that they may
    be missing."""
    answers, config, out = seeing.answers, world.configs["pope"], tmp_path / "out"

    def die_later(*args, **kwargs):
        for number, found in enumerate(answers(*args, **kwargs)):
            if number == 9:
                raise KeyboardInterrupt
            yield found

    seeing.answers = die_later
    with pytest.raises(KeyboardInterrupt):
        evaluate(seeing, build_tasks([config]), out, resamples=10, blind=False)
    given = len(rows(out))
    assert 9 <= given < 24
    told = f"This run was stopped, or is still at work, after {given} of 24 answers ({out}); resume it with"
    file, truth = str(out / "predictions.jsonl"), ["--annotations", config.annotations]
    score = ["score", "pope", "--predictions", file, *truth]
    judge = ["judge", "pope", "--mode", "pairwise", "--predictions", file, "--against", file, *truth]
    judge += ["--judge", "rules", "--out", str(tmp_path / "judged")]
    other = shutil.copytree(out, tmp_path / "other")
    for words in (score, judge, ["eval", "--show", str(out)], ["eval", "--compare", str(out), str(other)]):
        assert cli.main(words) == 2
        assert told in capsys.readouterr().err, words
    with (out / "predictions.jsonl").open("a") as half:
        half.write('{"task": "pope_ran')
    assert cli.main(score) == 2 and told in capsys.readouterr().err
    whole = (out / "predictions.jsonl").read_text().rpartition("\n")[0]
    (out / "predictions.jsonl").write_text(whole + "\n")
    assert cli.main([*score, "--missing", "skip"]) == 0
    assert f"scored {given} of 24 items" in capsys.readouterr().out
    # A copy elsewhere is a file like any other, and so is what the finished run leaves.
    copy = shutil.copy(file, tmp_path / "copy.jsonl")
    assert cli.main([*score, "--predictions", str(copy)]) == 2
    assert "items have no answer" in capsys.readouterr().err
    seeing.answers = answers
    evaluate(seeing, build_tasks([replace(config, limit=10)]), out, resamples=10, blind=False)
    assert cli.main(score) == 2 and "14 of 24 items have no answer" in capsys.readouterr().err


def test_what_is_known_depends_on_weights_prompt_image_and_settings(world, seeing, tmp_path):
    def asked(engine, config=world.configs["pope"], **settings):
        engine.asked.clear()
        evaluate(engine, build_tasks([config]), tmp_path, blind=False, resamples=10, **settings)
        return len(engine.asked)

    assert (asked(seeing), asked(seeing), asked(seeing, cache=False), asked(seeing)) == (24, 0, 24, 0)
    assert asked(SeeingEngine("trained on")) == 24  # at the same path
    assert asked(seeing, how="next_token") == 24
    assert asked(seeing, replace(world.configs["pope"], prompt="{question} Say it.")) == 24
    assert asked(seeing, replace(world.configs["pope"], max_new_tokens=3)) == 24
    Image.new("RGB", (24, 24), (221, 31, 31)).save(world.root / "images" / world.file(3))
    assert asked(seeing) == 2
    assert asked(seeing) == 0


def test_half_a_pair_of_utf16_in_a_reply_stops_no_run(world, seeing, tmp_path):
    """JSON may hold it, and so may the reply of an endpoint; UTF-8 cannot."""
    seeing._reply = lambda text, colour: f"{colour} \ud83d"
    tasks = build_tasks([world.configs["pope"], world.configs["vqav2"]])
    found = evaluate(seeing, tasks, tmp_path, resamples=10)
    assert found["tasks"]["pope_random"]["complete"]
    assert all(row["prediction"].endswith(" \ud83d") for row in rows(tmp_path))
    again = evaluate(seeing, tasks, tmp_path, resamples=10)
    assert again["tasks"]["vqav2"]["metrics"] == found["tasks"]["vqav2"]["metrics"]
    write_report(tmp_path, results=again, predictions=tmp_path / "predictions.jsonl")


def test_what_nobody_tells_of_is_a_failure_and_what_two_tell_of_counts_once(world, tmp_path):
    """As where processes see other files of a shared folder, and share the work otherwise."""

    class Silent:
        def identity(self):
            return {"kind": "silent"}

        def ask(self, asks):
            yield from ((place, Answer("Yes.", "stop")) for place in range(3, len(asks)))

    class Two(Peers):
        def gather(self, value):
            return [value, {0: Answer("No.", "stop"), 5: Answer("No.", "stop")}]

    tasks = build_tasks([world.configs["pope"]])
    items = {name: task.load() for name, task in tasks.items()}
    asks = plan_asks(tasks, items, blind=False, seed=0)
    kept = collect(Silent(), tasks, items, asks, tmp_path, Two()).predictions
    assert [row.get("prediction") for row in rows(tmp_path)] == ["No.", None, None, *["Yes."] * 21]
    assert len(kept.seen("pope_random")) == 22 and list(kept.failed("pope_random")) == ["3", "4"]


@pytest.mark.parametrize("how", ["generate", "next_token"])
def test_a_model_whose_probabilities_are_nan_has_no_score(world, seeing, tmp_path, how):
    """It would choose the first option of every item, and so be half right."""
    nan = float("nan")
    seeing.answers = lambda requests, *rest, **settings: (
        (index, Completion("Yes", (1,), "stop", (nan,))) for index in range(len(requests))
    )
    seeing.next_tokens = lambda requests, *rest, **settings: (
        (index, Ranking((nan, nan), (1, 1))) for index in range(len(requests))
    )
    with pytest.raises(UserError, match=r"None of the 24 items .* NaN"):
        evaluate(seeing, build_tasks([world.configs["pope"]]), tmp_path, how=how, resamples=10)
    assert (tmp_path / "answered.jsonl").read_text() == ""


def test_a_task_that_fails_wholly_costs_the_others_nothing(world, seeing, tmp_path, monkeypatch, capsys):
    """A wrong image folder: the others' table and report are there, then the status tells the mistake."""
    monkeypatch.setattr(runner, "open_backend", lambda model, opening: Checkpoint(seeing, 8))
    (tmp_path / "empty").mkdir()
    pope, vqa, out = world.configs["pope"], world.configs["vqav2"], tmp_path / "out"
    tasks = [
        f"pope:annotations={pope.annotations},images={tmp_path / 'empty'},limit=6",
        f"vqav2:annotations={vqa.annotations},questions={vqa.questions},images={vqa.images}",
    ]
    words = ["--task", tasks[0], "--task", tasks[1], "--out", str(out), "--train-data", "none"]
    assert cli.main(["eval", "seeing", *words]) == 2
    told, written = capsys.readouterr(), json.loads((out / "metrics.json").read_text())["tasks"]
    assert "None of the 6 items asked, of 24, of pope_random could be answered" in told.err
    assert "vqav2" in told.out and str(out / "metrics.json") in told.out
    assert "pope_random is scored over 0 of 24 items (limited to 6 by the settings; 6 failed: " in told.out
    assert (written["vqav2"]["n"], written["pope_random"]["n"]) == (12, 0)
    page = (out / "report.html").read_text()
    assert "no item was answered" in page and "6 failed: " in page
    ((reason, times),) = written["pope_random"]["failure_reasons"].items()
    assert times == 6 and ".png" in reason and "(6 like this)" in page and "(6 like this)" in told.out


def test_failures_are_tried_again(world, seeing, tmp_path):
    path = world.root / "images" / world.file(3)
    image = path.read_bytes()
    path.write_bytes(b"no image")
    tasks = build_tasks([world.configs["pope"]])
    assert evaluate(seeing, tasks, tmp_path, blind=False, resamples=10)["tasks"]["pope_random"]["n"] == 22
    path.write_bytes(image)
    assert evaluate(seeing, tasks, tmp_path, blind=False, resamples=10)["tasks"]["pope_random"]["n"] == 24


def test_a_choice_by_the_next_token_is_told_as_one(world, seeing, tmp_path):
    tasks = build_tasks([world.configs["pope"], world.configs["vqav2"]])
    found = evaluate(seeing, tasks, tmp_path, how="next_token", resamples=10)["tasks"]
    assert found["pope_random"]["answered_by"] == {"next_token": 48}
    assert found["vqav2"]["answered_by"] == {"generate": 24}  # it has no options
    assert found["pope_random"]["metrics"]["accuracy"]["value"] == 1.0
    chosen = [row for row in rows(tmp_path) if row["task"] == "pope_random"]
    assert {row["prediction"] for row in chosen} == {"Yes", "No"}
    assert all(row["stopped"] == "decided" and len(row["logprobs"]) == 2 for row in chosen)


def test_options_are_the_tasks_own_or_those_that_its_truth_knows(world):
    @dataclass
    class Truth:
        options: dict[str, str]

    (vqa,) = build_tasks([world.configs["vqav2"]]).values()
    item = Item("1", "", "Which?\nA. one\nB. two", Truth({"A": "one", "B": "two"}))
    assert options_of(vqa, item, "next_token").texts == {"A": "A", "B": "B"}
    assert options_of(vqa, item, "generate") is None
    assert options_of(vqa, replace(item, truth=["one"] * 10), "next_token") is None
    (ask,) = plan_asks({"vqav2": vqa}, {"vqav2": [item]}, blind=True, seed=0, how="likelihood")
    assert (ask.how, ask.image, ask.text) == ("likelihood", "", "Which?"), "no image, and so no other's"
    assert (ask.options, ask.meanings) == (("one", "two"), ("A", "B"))
    vqa.decided_by = "likelihood"
    vqa.options = lambda item, how: Options({"A": "1", "B": "2"}, "So?")
    (ask,) = plan_asks({"vqav2": vqa}, {"vqav2": [item]}, blind=True, seed=0)
    assert (ask.how, ask.text, ask.options) == ("likelihood", "So?", ("1", "2"))


@pytest.mark.parametrize("world_size", [2, 3])
def test_work_is_shared_whole_images_at_a_time_and_evenly(world, world_size):
    tasks = build_tasks(world.configs.values())
    asks = list(plan_asks(tasks, {name: task.load() for name, task in tasks.items()}, blind=True, seed=0))
    shares = [Peers(rank, world_size).mine(asks) for rank in range(world_size)]
    assert sorted(map(hash, asks)) == sorted(hash(ask) for share in shares for ask in share)
    images = [{ask.image for ask in share} for share in shares]
    assert sum(map(len, images)) == world.images
    loads = [sum(work([ask]) for ask in share) for share in shares]
    assert max(loads) < 1.2 * min(loads)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    from mmtune.decode.engine import Engine
    from mmtune.models.building import build
    from mmtune.models.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig
    from tests.tiny_models import tiny_clip, tiny_llama

    root = tmp_path_factory.mktemp("tiny")
    config = ModelConfig(
        vision=VisionConfig(name=str(tiny_clip(root / "clip"))),
        projector=ProjectorConfig(name="mlp"),
        language=LanguageConfig(name=str(tiny_llama(root / "llama"))),
    )
    return Engine(build(config, template="vicuna_v1", seed=0))


def test_a_real_engine_goes_through_every_task(engine, world, tmp_path):
    configs = [replace(config, max_new_tokens=3) for config in world.configs.values()]
    (world.root / "images" / world.file(5)).write_bytes(b"not an image")
    answers = []
    for batch_size in (3, 64):
        out = tmp_path / str(batch_size)
        results = evaluate(engine, build_tasks(configs), out, batch_size=batch_size, resamples=20)
        answers.append(sorted((r["task"], r["id"], r["blind"], r.get("prediction")) for r in rows(out)))
        assert results["tasks"]["pope_random"]["n"] == 22
        assert results["tasks"]["captions"]["n"] == 11
    assert answers[0] == answers[1]


def test_wrong_files_are_found_before_the_model_is_loaded(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        run(tmp_path / "no-checkpoint", [TaskConfig("pope", str(tmp_path / "none.json"))], tmp_path)
