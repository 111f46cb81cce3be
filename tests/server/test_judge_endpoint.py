"""Judges behind a real endpoint on loopback, from answers to score: replies, orders, runs and images."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from eval.score_file import score_file
from eval.tasks import TaskConfig
from mmtune.commands.judged_table import judged_lines
from tests import judged_files
from tests.commands import run
from tests.endpoints import Server, serve
from tests.judge_asking import EXPECTED, fails, judge, rows
from tests.judged_files import TASKS, said_by_the_judge


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
    words = [
        "score",
        task,
        "--predictions",
        "out/verdicts.jsonl",
        "--annotations",
        str(case.annotations),
        "--json",
    ]
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


def test_a_judge_that_writes_prose_is_counted_and_never_guessed(tmp_path):
    prose = "I would say that the answer is quite good, perhaps an 8 of 10, although 7 is fair."
    for task in ("mmvet", "llavabench", "mmhal", "hallusionbench"):
        case = judged_files.write(task, tmp_path / task)
        with serve(Server(write=lambda body: prose)) as server:
            result = judge(server, case, tmp_path / f"{task}-out")
            asked = len(server.bodies)
        assert (result["n"], result["unparsed"]) == (24, result["replies"])
        value = result["metrics"][result["primary"]]["value"]
        assert result["metrics"]["unparsed"]["value"] == 1.0
        # The official rules: 0, -1 for both, 0, and "unclear", which is right where nothing is shown.
        assert value == {"mmvet": 0.0, "llavabench": 1.0, "mmhal": 0.0}.get(task, value)
        if task == "mmvet":
            assert asked == 24 * 5
            warmth = sorted(body["temperature"] for body in server.bodies)
            assert warmth[::24] == [0.0, 0.5, 1.0, 1.5, 2.0]
        else:
            assert asked == result["replies"]
        if task == "hallusionbench":
            assert "right where a question needs no figure" in "".join(judged_lines(result))
            config = TaskConfig(task, str(case.annotations))
            again = score_file(config, tmp_path / f"{task}-out" / "verdicts.jsonl")
            assert again["metrics"] == result["metrics"]
        if task == "llavabench":
            assert result["orders"]["consistency"]["value"] is None


def test_one_good_reply_after_prose_is_taken_and_both_are_kept(tmp_path):
    case = judged_files.write("mmvet", tmp_path / "files")
    with serve(Server(write=lambda b: "0.8" if b["temperature"] else "Rather good")) as server:
        result = judge(server, case, tmp_path / "out")
    assert result["metrics"]["total"]["value"] == pytest.approx(0.8) and result["unparsed"] == 0
    said = [row["reply"] for row in rows(tmp_path / "out" / "judgements.jsonl")[1:]]
    assert said == ["Rather good", "0.8"] * 24


def test_runs_have_a_mean_and_a_spread(tmp_path):
    case = judged_files.write("mmvet", tmp_path / "files")
    with serve(Server(write=lambda body: f"{0.5 + 0.1 * body.get('seed', 0)}")) as server:
        result = judge(server, case, tmp_path / "out", "--runs", "3")
        assert len(server.bodies) == 72
    runs = result["runs"]
    assert runs["values"] == pytest.approx([0.5, 0.6, 0.7])
    assert runs["mean"] == pytest.approx(0.6) and runs["std"] == pytest.approx((0.02 / 3) ** 0.5)
    assert runs["same_verdict"] == 0.0
    assert result["metrics"]["total"]["value"] == pytest.approx(0.6)
    assert result["metrics"]["total"]["n"] == 24


def test_a_judge_that_sees_is_shown_the_images(tmp_path):
    case = judged_files.write("mmvet", tmp_path / "files")
    for number in range(24):
        Image.new("RGB", (8, 8), (number * 9, 0, 0)).save(tmp_path / "files" / f"v1_{number}.jpg")
    with serve(Server(write=lambda body: "1.0")) as server:
        judge(server, case, tmp_path / "out", "--show-images")
        assert len({body["messages"][-1]["content"][0]["image_url"]["url"] for body in server.bodies}) == 24
        (tmp_path / "files" / "v1_4.jpg").unlink()
        Image.new("RGB", (8, 8), (0, 99, 0)).save(tmp_path / "files" / "v1_5.jpg")
        again = judge(server, case, tmp_path / "out", "--show-images")
        assert len(server.bodies) == 25  # another image is another question
    assert (again["n"], again["of"]) == (23, 24)
    assert again["without_verdict"]["v1_4"].startswith("picture:")


def test_batch_files_are_a_judge_that_answers_later(tmp_path, capsys):
    case = judged_files.write("mmhal", tmp_path / "files")
    words = [*case.words, "--judge", "batch#m", "--out", str(tmp_path / "out")]
    error = fails(capsys, words)
    assert "None of the 24 items got a verdict: waiting" in error and "batches/requests" in error
    (sent,) = (tmp_path / "out" / "batches" / "requests").iterdir()
    results = []
    for line in rows(sent):
        message = {"role": "assistant", "content": said_by_the_judge(line["body"])}
        body = {"model": "m-batch", "choices": [{"message": message, "finish_reason": "stop"}]}
        results.append({"custom_id": line["custom_id"], "response": {"status_code": 200, "body": body}})
    (tmp_path / "out" / "batches" / "results").mkdir(exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in results)
    (tmp_path / "out" / "batches" / "results" / "came.jsonl").write_text(text)
    result = json.loads(run([*words, "--json"], tmp_path))
    assert (result["n"], result["judge"]["models"]) == (24, {"m-batch": 24})
    assert result["metrics"]["rating"]["value"] == pytest.approx(EXPECTED["mmhal"][1])


def test_an_evaluation_is_judged_in_one_command(tmp_path):
    """The model is an endpoint, too: answers, verdicts, blind baseline, metrics and page."""
    case = judged_files.write("mmvet", tmp_path / "files")
    images = tmp_path / "images"
    images.mkdir()
    for number in range(24):
        Image.new("RGB", (8, 8), (number * 9, 0, 0)).save(images / f"v1_{number}.jpg")

    def write(body):
        if body["model"] == "judge":
            return said_by_the_judge(body)
        url = body["messages"][-1]["content"][0]["image_url"]["url"]
        return "It is red." if len(server.bodies) % 2 or len(url) < 9 else "It is blue."

    task = f"mmvet:annotations={case.annotations},images={images}"
    with serve(Server(write=write)) as server:
        words = ["eval", f"openai:{server.url}#model", "--task", task, "--out", str(tmp_path / "out")]
        told = run(words, tmp_path)
        before = json.loads((tmp_path / "out" / "metrics.json").read_text())["tasks"]["mmvet"]
        assert (before["n"], before["needs_judge"], before["metrics"]) == (24, True, {})
        assert "mark them with --judge or mmtune judge" in told
        assert "its answers await a judge" in (tmp_path / "out" / "report.html").read_text()
        answered = len(server.bodies)
        told = run([*words, "--judge", f"openai:{server.url}#judge"], tmp_path)
        # The answers are known; each distinct one is judged once, the blind ones in a folder of their own.
        assert all(body["model"] == "judge" for body in server.bodies[answered:])
    after = json.loads((tmp_path / "out" / "metrics.json").read_text())["tasks"]["mmvet"]
    predictions = rows(tmp_path / "out" / "predictions.jsonl")
    right = [row for row in predictions if not row["blind"] and row["prediction"] == "It is red."]
    assert (after["n"], after["needs_judge"], after["judge"]["models"]) == (24, False, {"m-1": 24})
    assert after["metrics"]["total"]["value"] == pytest.approx(len(right) / 24)
    assert after["blind"]["total"]["n"] == 24
    assert after["by"]["capabilities"]["rec"]["blind"]["total"]["n"] == 12
    assert all(row["right"] is (row["prediction"] == "It is red.") for row in predictions)
    assert "judged by m-1 (24)" in told
    assert after["judged_by"] == f"m-1, prompt {after['judge']['prompt']['sha256']}"
    assert f"judged by {after['judged_by']}" in (tmp_path / "out" / "report.html").read_text()
    alone = run(
        ["judge", "mmvet", "--predictions", "out/predictions.jsonl", "--annotations", str(case.annotations)]
        + ["--replay", "out/judged/mmvet", "--out", "again", "--json"],
        tmp_path,
    )
    assert json.loads(alone)["metrics"] == after["metrics"]
