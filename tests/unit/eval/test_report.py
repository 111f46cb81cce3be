"""The report: one offline file, everything escaped, gaps said, nothing needed that is not there."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from PIL import Image

from eval.report import write_report
from eval.report.charts import Series, line_chart, smoothed, thinned, ticks
from eval.report.gaps import gaps
from eval.report.numbers import against_blind, duration, label, number, spaced, title
from eval.report.samples import contact_sheet, thumbnail
from eval.runner import evaluate
from eval.tasks import TASKS, TaskConfig, build_tasks
from tests import benchmark_files
from tests.unit.eval.pages import read
from tests.unit.eval.scripted import run_scripted


@pytest.fixture
def results(world, seeing, tmp_path):
    return evaluate(seeing, build_tasks(world.configs.values()), tmp_path / "eval", resamples=20)


@pytest.fixture
def runs(tmp_path):
    folders = {}
    for stage in ("align", "tune"):
        folder = tmp_path / stage
        folder.mkdir()
        rows = [{"step": s, "loss": 3 / s, "seconds": 0.5, "tokens_per_s": 100.0} for s in range(1, 40)]
        rows += [{"step": s, "validation_loss": 3.5 / s} for s in (10, 20)]
        (folder / "scalars.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows) + '{"step": 40, "lo'
        )
        (folder / "recipe.yaml").write_text(f"stage: {{name: {stage}}}  # <b>not bold</b>\n")
        folders[stage] = folder
    return folders


def test_the_whole_report_is_one_offline_file(results, runs, tmp_path):
    path = write_report(
        tmp_path,
        results=results,
        predictions=tmp_path / "eval/predictions.jsonl",
        runs=runs,
        timings={"build data": 12.0, "align": 70.0},
        comparisons={"Align alone": {"before": results["tasks"]["captions"]["metrics"]}},
    )
    assert path == tmp_path / "report.html"
    text = read(path)
    assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?https?:", text)
    assert "default-src 'none'" in text
    for said in (
        "POPE random",
        "VQAv2",
        "What colour is it?",
        "validation loss",
        "1 min 10 s",
        "Align alone",
    ):
        assert said in text
    assert text.count('class="chart"') == 2
    assert text.count("data:image/") == 12
    assert "&lt;b&gt;not bold&lt;/b&gt;" in text
    assert results["versions"]["torch"] in text


def test_what_a_model_says_is_text_and_not_markup(world, seeing, tmp_path):
    seeing._reply = lambda text, colour: "<script>alert('x')</script>"
    found = evaluate(seeing, build_tasks([world.configs["vqav2"]]), tmp_path, resamples=5)
    text = read(write_report(tmp_path, results=found, predictions=tmp_path / "predictions.jsonl"))
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_a_score_over_fewer_items_is_said(world, seeing, tmp_path):
    (world.root / "images" / world.file(3)).write_bytes(b"")
    tasks = build_tasks([world.configs["pope"], replace(world.configs["vqav2"], limit=5)])
    found = evaluate(seeing, tasks, tmp_path, resamples=5)
    text = read(write_report(tmp_path / "r.html", results=found))
    assert "POPE random is scored over 22 of 24 items (2 failed" in text
    assert "of 12 items (limited to 5" in text


def test_failed_and_limited_are_told_apart_and_each_reason_once():
    """In the terminal's words and the page's; of earlier versions' results what these have."""
    told = {"n": 12, "of": 1146, "limit": 20, "failed": 8}
    reasons = {"It is empty.": 3, "a": 1, "b": 1, "c": 1, "d": 1}  # the reason of one is not kept
    task = told | {"failure_reasons": reasons}
    said = "pope is scored over 12 of 1146 items (limited to 20 by the settings; 8 failed: "
    assert gaps({"tasks": {"pope": task}}) == [f"{said}It is empty (3 like this); a; b; c; and 2 more)"]
    old = told | {"failed": 1, "failures": {"7": "It is empty."}}
    assert gaps({"tasks": {"pope": old}}, title)[0].endswith("1 failed: It is empty)")


def test_undefined_scores_and_no_scores_are_shown_as_such(world, seeing, tmp_path):
    seeing._reply = lambda text, colour: "no"
    tasks = build_tasks(
        [world.configs["pope"], replace(world.configs["vqav2"], annotations=None), world.configs["captions"]]
    )
    found = evaluate(seeing, tasks, tmp_path, blind=False, resamples=5)
    assert found["tasks"]["pope_random"]["metrics"]["f1"]["value"] is None
    text = read(write_report(tmp_path, results=found))
    assert "no score" in text


def test_a_run_without_curves_is_no_error(results, tmp_path):
    (tmp_path / "empty").mkdir()
    text = read(write_report(tmp_path, results=results, runs={"align": tmp_path / "empty"}))
    assert "left no curve" in text


def test_metrics_as_read_back_from_json_give_the_same_page(results, tmp_path):
    again = json.loads((tmp_path / "eval/metrics.json").read_text())
    one = read(write_report(tmp_path / "a.html", results=results))
    two = read(write_report(tmp_path / "b.html", results=again))
    strip_time = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
    assert strip_time.sub("", one) == strip_time.sub("", two)


def row(image, right, task="vqav2", question="q", prediction="a"):
    return {
        "task": task,
        "id": "1",
        "blind": False,
        "image": image,
        "question": question,
        "prediction": prediction,
        "right": right,
        "truth": "t",
    }


def test_half_of_the_sheet_has_a_wrong_answer(world):
    rows = [row(world.file(i), right=i > 6) for i in range(1, 13)]
    rows += [
        {**row(world.file(1), True), "blind": True},
        {"task": "vqav2", "blind": False, "image": "x", "error": "e"},
    ]
    sheet = contact_sheet(rows, {"vqav2": str(world.root / "images")}, count=8)
    assert (len(sheet.cards), sheet.images, sheet.with_wrong) == (8, 12, 6)
    assert sum(card.wrong for card in sheet.cards) == 4
    few = contact_sheet(rows[6:12], {"vqav2": str(world.root / "images")}, count=8)
    assert len(few.cards) == 6


def test_a_card_shows_wrong_answers_first_and_counts_the_rest(world):
    rows = [row(world.file(1), right=i > 1, question=f"q{i}") for i in range(10)]
    (card,) = contact_sheet(rows, {"vqav2": str(world.root / "images")}).cards
    assert sum(not r["right"] for r in card.rows) == 2
    assert (len(card.rows), card.more_right, card.more_wrong) == (6, 4, 0)


def test_thumbnails_are_small_and_whole():
    large = Image.effect_noise((900, 300), 80).convert("RGB")
    assert thumbnail(large).startswith("data:image/jpeg;base64,")
    assert len(thumbnail(large)) < 40_000
    assert thumbnail(Image.new("RGB", (300, 300), "red")).startswith("data:image/png;base64,")
    assert large.size == (900, 300)


def test_charts_survive_any_numbers():
    for points in ([(1.0, 2.0)], [(1.0, 0.0), (2.0, 0.0)], [(float(i), 10.0 ** (i % 5)) for i in range(900)]):
        svg = line_chart(
            "t", [Series("raw", tuple(points), "raw"), Series("s", smoothed(points), "train")], "x", "y"
        )
        assert "nan" not in svg and "inf" not in svg
    assert line_chart("t", [], "x", "y") == ""


def test_a_run_whose_loss_became_infinite_has_a_page(results, tmp_path):
    folder = tmp_path / "blown"
    folder.mkdir()
    rows = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": float("inf")}, {"step": 3, "loss": float("nan")}]
    (folder / "scalars.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "inf" not in read(write_report(tmp_path / "r.html", results=results, runs={"blown": folder}))


def test_kinds_keep_their_words_and_tasks_get_their_names():
    assert (title("pope_random"), title("chair"), title("vqav2")) == ("POPE random", "CHAIR", "VQAv2")
    assert title("popeye_wheelchairs") == "popeye wheelchairs"
    assert (title("mmbench"), title("mmbench_cn"), title("mmstar")) == ("MMBench", "MMBench-CN", "MMStar")
    assert title("pope_aokvqa_random") == "POPE A-OKVQA random"
    assert not [task for task in TASKS if title(task) == task], "all have proper names"
    assert (spaced("chair"), spaced("how_many")) == ("chair", "how many")
    assert label("unparsed") == "replies that could not be read", "not every benchmark asks for yes or no"


def test_breakdowns_have_the_names_of_the_official_columns(tmp_path):
    """MMBench writes l2-category and means the coarse one, MMStar l2_category and the fine one."""
    configs = []
    for name in ("mmbench", "mmstar"):
        files = benchmark_files.write(name, tmp_path / name)
        configs.append(TaskConfig(name, str(files.annotations), str(tmp_path)))
    tasks = build_tasks(configs)
    kinds = {name: task.load()[0].kinds for name, task in tasks.items()}
    assert kinds["mmbench"] == {"category": "attribute_recognition", "l2-category": "coarse_perception"}
    assert kinds["mmstar"] == {"category": "math", "l2_category": "geometry"}


def test_letters_are_not_told_to_be_neither_yes_nor_no(tmp_path):
    files = benchmark_files.write("mmbench", tmp_path)
    results, _ = run_scripted(
        lambda ask: "D", [TaskConfig("mmbench", str(files.annotations), str(tmp_path))], "", tmp_path / "run"
    )
    task = results["tasks"]["mmbench"]
    assert task["yes_bias"] is None
    page = read(write_report(tmp_path / "run", results=results))
    assert "<strong>MMBench</strong>" in page and "neither" not in page
    assert "replies that could not be read" in page


def test_thinning_keeps_both_ends():
    points = [(float(i), 0.0) for i in range(5000)]
    kept = thinned(points)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert len(kept) <= 400


def test_ticks_are_round():
    assert ticks(0.0, 1.0, 4) == [0.0, 0.5, 1.0]
    assert ticks(0.13, 2.6, 4) == [1.0, 2.0]


@pytest.mark.parametrize(
    ("metric", "blind", "lower", "said"),
    [
        ((0.8, 0.9), (0.4, 0.5), False, "better"),
        ((0.8, 0.9), (0.4, 0.5), True, "worse"),
        ((0.4, 0.6), (0.5, 0.7), False, "unclear"),
        ((0.1, 0.2), (0.4, 0.5), True, "better"),
    ],
)
def test_intervals_that_overlap_do_not_tell_apart(metric, blind, lower, said):
    pair = [{"low": low, "high": high} for low, high in (metric, blind)]
    assert against_blind(*pair, lower) == said
    assert against_blind(pair[0], None, lower) == ""


def test_numbers_for_readers():
    assert [number(v) for v in (None, 0.91239, 31.25, 1234.5)] == ["–", "0.912", "31.2", "1,234.5"]
    assert [duration(v) for v in (8.42, 185, 7860)] == ["8.4 s", "3 min 05 s", "2 h 11 min"]
