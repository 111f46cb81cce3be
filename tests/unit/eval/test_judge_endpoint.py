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


def test_items_without_a_verdict_are_listed_and_asked_for_again_and_nothing_else_is(tmp_path, monkeypatch):
    """Three items time out; the score says 21 of 24, and the next run asks for these three alone."""
    monkeypatch.setattr("data_builders.teachers.openai_compatible.Backoff", _Impatient)
    case = judged_files.write("mmvet", tmp_path / "files")
    slow = ("Number 4.", "Number 5.", "Number 6.")

    def mood(number, body):
        return "hang" if any(text in body["messages"][-1]["content"] for text in slow) else "good"

    with serve(Server(write=said_by_the_judge, mood=mood)) as server:
        some = judge(server, case, tmp_path / "out", "--timeout", "0.6")
        asked = len(server.bodies)
        assert asked == 21 + 3 * _Impatient.ATTEMPTS
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


class _Impatient:
    """Two attempts without a wait."""

    ATTEMPTS = 2

    def __init__(self, attempts: int = 2, base_s: float = 0.0) -> None:
        self.attempts = self.ATTEMPTS

    def wait_s(self, attempt: int, asked_s: float | None) -> float:
        return 0.0


def test_a_judge_that_writes_prose_is_counted_and_never_guessed(tmp_path):
    prose = "I would say that the answer is quite good, perhaps an 8 of 10, although 7 is fair."
    for task in ("mmvet", "llavabench", "mmhal", "hallusionbench"):
        case = judged_files.write(task, tmp_path / task)
        with serve(Server(write=lambda body: prose)) as server:
            result = judge(server, case, tmp_path / f"{task}-out")
            asked = len(server.bodies)
        assert (result["n"], result["unparsed"]) == (24, result["replies"])
        value = result["metrics"][result["primary"]]["value"]
        # The official rules: 0, -1 for both, 0, and "unclear", which is right where nothing is shown.
        assert value == {"mmvet": 0.0, "llavabench": 1.0, "mmhal": 0.0}.get(task, value)
        if task == "mmvet":
            assert asked == 24 * 5
            warmth = sorted(body["temperature"] for body in server.bodies)
            assert warmth[::24] == [0.0, 0.5, 1.0, 1.5, 2.0]
        else:
            assert asked == result["replies"]
        if task == "llavabench":
            assert result["metrics"]["unparsed"]["value"] == 1.0
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


def test_an_endpoint_that_goes_down_leaves_what_it_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("data_builders.teachers.openai_compatible.Backoff", _Impatient)
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


def test_a_key_that_is_refused_a_budget_that_is_spent_and_a_judge_that_is_none(tmp_path, capsys, monkeypatch):
    case = judged_files.write("mmhal", tmp_path / "files")
    words = [*case.words, "--out", str(tmp_path / "out")]
    monkeypatch.delenv("NO_KEY", raising=False)
    with serve(Server(mood=lambda number, body: 401)) as server:
        error = fails(capsys, [*words, "--judge", f"openai:{server.url}#m", "--key-variable", "NO_KEY"])
    assert "refuses to be asked without a key (status 401)" in error and "set NO_KEY" in error
    with serve(Server(write=said_by_the_judge)) as server:
        budget = ["--price-in", "1000", "--price-out", "1000", "--max-budget", "3", "--concurrency", "1"]
        error = fails(capsys, [*words, "--judge", f"openai:{server.url}#m", *budget])
        assert "budget of 3 is spent" in error and 0 < len(server.bodies) < 24
        priced = run([*words, "--judge", f"openai:{server.url}#m", "--dry-run", *budget[:4]], tmp_path)
        assert f"{24 - len(server.bodies)} requests ({len(server.bodies)} more are known)" in priced
        assert "price at most" in priced
    assert "write openai:URL#MODEL" in fails(capsys, [*words, "--judge", "openai:http://127.0.0.1:1/v1"])
    assert "names no judge" in fails(capsys, [*words, "--judge", "gpt-4"])
    assert "name a judge" in fails(capsys, words)


def test_what_changed_since_the_judgements_is_refused_without_a_judge_and_asked_anew_with_one(
    tmp_path, capsys
):
    case = judged_files.write("mmvet", tmp_path / "files")
    replay = [*case.words, "--replay", str(tmp_path / "out"), "--out", str(tmp_path / "again")]
    prompt = tmp_path / "mine.md"
    prompt.write_text("## user\nGrade {{ answer }} for {{ question }} with {{ truth }} |\n")
    with serve(Server(write=said_by_the_judge)) as server:
        first = judge(server, case, tmp_path / "out")
        assert cli.main(replay) == 0
        given = json.loads(case.answers.read_text())
        case.answers.write_text(json.dumps(given | {"v1_3": "It is red."}))
        error = fails(capsys, replay)
        assert "1 answer is not among those that were judged: v1_3" in error and "--judge" in error
        changed = judge(server, case, tmp_path / "out")
        assert len(server.bodies) == 25
        assert changed["metrics"]["total"]["value"] > first["metrics"]["total"]["value"]
        assert cli.main(replay) == 0
        capsys.readouterr()
        error = fails(capsys, [*replay, "--prompt", str(prompt)])
        assert "were made with the prompt" in error
        assert "made with runs 1, not 2" in fails(capsys, [*replay, "--runs", "2"])
        for option, name in (("--temperature", "temperature 0.0"), ("--max-tokens", "max_tokens 16")):
            assert f"made with {name}, not" in fails(capsys, [*replay, option, "1"])
        assert "made with show_images False" in fails(capsys, [*replay, "--show-images"])
        other = judge(server, case, tmp_path / "out", "--prompt", str(prompt))
        assert len(server.bodies) == 25 + 24
        assert other["judge"]["prompt"]["sha256"] != first["judge"]["prompt"]["sha256"]
        assert other["judge"]["prompt"]["from"] == str(prompt)
    truth = json.loads(case.annotations.read_text())
    truth["v1_5"]["answer"] = "violet"
    case.annotations.write_text(json.dumps(truth))
    assert "judged by another truth or other settings, as v1_5" in fails(capsys, replay)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("## user\n{{ question }} {{ truth }}", "no place for answer"),
        ("## user\n{{ question }} {{ truth }} {{ answr }}", "unknown place in the prompt 'answr'"),
        ("Grade it.", "does not end with a '## user' section"),
        ("## user\n{{ question }} {{ truth }} {{ answer }}\n## assistant\n1", "does not end with a"),
    ],
)
def test_a_prompt_that_cannot_work_is_refused_before_anybody_is_asked(text, message, tmp_path, capsys):
    case = judged_files.write("mmvet", tmp_path / "files")
    (tmp_path / "p.md").write_text(text)
    words = [
        *case.words,
        "--judge",
        "rules",
        "--out",
        str(tmp_path / "o"),
        "--prompt",
        str(tmp_path / "p.md"),
    ]
    assert message in fails(capsys, words)


def test_files_that_do_not_belong_together(tmp_path, capsys):
    case = judged_files.write("mmvet", tmp_path / "files")
    given = json.loads(case.answers.read_text())
    words = [*case.words, "--judge", "rules", "--out", str(tmp_path / "o"), "--json"]
    case.answers.write_text(json.dumps({k: v for k, v in given.items() if k != "v1_7"}))
    assert "1 of 24 items has no answer: v1_7" in fails(capsys, words)
    skipped = json.loads(run([*words, "--missing", "skip"], tmp_path))
    assert (skipped["n"], skipped["of"], skipped["missing"]) == (23, 24, ["v1_7"])
    wrong = json.loads(run([*words, "--missing", "wrong"], tmp_path))
    assert (wrong["n"], wrong["missing_counted_as_wrong"]) == (24, 1)
    assert wrong["metrics"]["total"]["value"] == pytest.approx(skipped["metrics"]["total"]["value"] * 23 / 24)
    case.answers.write_text(json.dumps(given | {"v1_99": "x"}))
    assert "does not have: v1_99" in fails(capsys, words)
    bench = judged_files.write("llavabench", tmp_path / "llava")
    (tmp_path / "llava" / "context.jsonl").unlink()
    assert "give --context FILE" in fails(
        capsys, [*bench.words, "--judge", "rules", "--out", str(tmp_path / "o")]
    )
    given = [json.loads(line) for line in bench.answers.read_text().splitlines()]
    bench.answers.write_text("".join(json.dumps(row) + "\n" for row in given[1:]))
    (tmp_path / "llava" / "context.jsonl").write_text("")
    words = [*bench.words, "--judge", "openai:http://127.0.0.1:1/v1#m", "--out", str(tmp_path / "o")]
    assert "cannot count as a wrong one" in fails(capsys, [*words, "--missing", "wrong"])
    assert "is not a wrong one" in fails(
        capsys, [*words, "--missing", "wrong", "--mode", "pairwise", "--against", str(bench.answers)]
    )
    words = ["judge", "pope", "--predictions", "x", "--judge", "rules", "--out", "o", "--annotations", "y"]
    assert cli.main(words) == 2


def test_an_evaluation_is_judged_in_one_command(tmp_path):
    """The model is an endpoint, too: answers, verdicts, blind baseline, metrics and page."""
    from PIL import Image

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


def test_a_judge_that_sees_is_shown_the_images(tmp_path):
    from PIL import Image

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


def test_half_characters_cost_an_item_its_verdict_and_nothing_else(tmp_path, monkeypatch):
    """JSON may hold one half of a surrogate pair, which no file and no request can."""
    monkeypatch.setattr("data_builders.teachers.openai_compatible.Backoff", _Impatient)
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
