"""Runs whose answers a judge marked: everything that is told of a run is told of these, too."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from data_builders.teachers.opening import Hiring
from eval.compare import compare, parse_groups, read_run
from eval.compare.comparing import Drawing
from eval.judges.after_run import judge_run
from eval.judges.judging import Judging
from eval.overlap import TrainingRecords, add_overlap
from eval.report import write_report
from eval.report.browsing import UNSCORED, samples_of_rows
from eval.report.judged import UNPARSED
from eval.report.numbers import interval, label, number, title
from eval.runner import evaluate
from eval.tasks import TaskConfig, build_tasks
from mmtune import cli
from mmtune.commands.judged_table import tell_judged
from mmtune.decode.requests import Completion
from mmtune.errors import UserError
from tests import judged_files
from tests.commands import run
from tests.endpoints import Server, serve
from tests.unit.eval.conftest import COLOURS, SeeingEngine

RULES = Judging(Hiring("rules"))
QUICK = Drawing(resamples=100, permutations=200)


class Talker(SeeingEngine):
    """Begins with yes or no, names a colour, and is surer of red things."""

    def __init__(self, lead: str = "Yes") -> None:
        super().__init__(lead)
        self.lead = lead

    def _reply(self, text, colour):
        return f"{self.lead}, it is {colour}."

    def answers(self, *args, **settings):
        for index, completion in super().answers(*args, **settings):
            sure = -0.1 if "red" in completion.text else -1.0
            failed = completion.stopped == "failed"
            yield index, completion if failed else replace_logprobs(completion, sure)


def replace_logprobs(completion: Completion, sure: float) -> Completion:
    return replace(completion, logprobs=(sure,) * len(completion.ids))


@pytest.fixture
def configs(tmp_path: Path) -> list[TaskConfig]:
    """All benchmarks with a judge; every third image is red."""
    found = []
    for task in judged_files.TASKS:
        case = judged_files.write(task, tmp_path / task)
        config = TaskConfig(task, str(case.annotations), str(tmp_path / task / "images"))
        (loaded,) = build_tasks([config]).values()
        for place, item in enumerate(loaded.load()):
            for image in item.images:
                path = tmp_path / task / "images" / image
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (8, 8), COLOURS["red" if place % 3 == 0 else "blue"]).save(path, "PNG")
        found.append(config)
    return found


def asked(configs, out: Path, lead: str = "Yes"):
    return evaluate(Talker(lead), build_tasks(configs), out, resamples=20)


def given(*folders: Path):
    return parse_groups([str(folder) for folder in folders])


def rows_of(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]


@pytest.fixture
def two(configs, tmp_path):
    """The same questions to a model that says yes and to one that says no, judged by the same rules."""
    for lead in ("Yes", "No"):
        judge_run(tmp_path / lead, asked(configs, tmp_path / lead, lead), configs, RULES)
    return tmp_path / "Yes", tmp_path / "No"


def test_judged_runs_are_compared_with_every_figure_of_their_own(two):
    found = compare(given(*two), QUICK)
    assert set(found["tasks"]) == set(judged_files.TASKS) and found["not_compared"] == {}
    for place, folder in enumerate(two):
        for name, task in json.loads((folder / "metrics.json").read_text())["tasks"].items():
            assert task["needs_judge"] is False and task["metrics"]
            for metric, stored in task["metrics"].items():
                shown = found["tasks"][name]["metrics"][metric]["values"][place]
                assert shown["value"] == pytest.approx(stored["value"]), (name, metric)
    assert {"qAcc", "fAcc", "yes_diff"} <= set(found["tasks"]["hallusionbench"]["metrics"])
    assert any(note.startswith("mmvet is judged by rules, prompt ") for note in found["notes"]), found[
        "notes"
    ]


def test_they_are_shown_again_with_their_judge(two, tmp_path):
    told = run(["eval", "--show", str(two[0])], tmp_path)
    assert "mmvet: judged by rules" in told and "no model judged" in told
    line = run(["eval", "--show", str(two[0]), "--line", "markdown"], tmp_path)
    assert "MM-Vet total" in line and "HallusionBench accuracy" in line
    both = run(["eval", "--compare", *map(str, two), "--line", "latex"], tmp_path)
    assert both.count("\\\\") == 4 and "MM-Vet total" in both


def test_the_report_says_what_judged_json_says(configs, tmp_path):
    """Every figure of the table, what it is over, who judged and how; a rehearsal is called one."""
    out, lost = tmp_path / "out", 0

    def mood(number, body):
        return 400 if number % 5 == 0 else "good"

    def write(body):
        return "hm" if len(server.bodies) % 7 == 0 else judged_files.said_by_the_judge(body)

    results = asked(configs, out)
    with serve(Server(write=write, mood=mood)) as server:
        results = judge_run(out, results, configs, Judging(Hiring(server.url, "m"), runs=2))
    page = write_report(out, results=results).read_text()
    plain = " ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", page, flags=re.DOTALL).split())
    for name, task in results["tasks"].items():
        judged = json.loads((out / "judged" / name / "judged.json").read_text())
        for part in ("n", "of", "complete", "primary", "metrics", "lower_is_better", "unparsed", "runs"):
            assert task[part] == judged[part], (name, part)
        lost += judged["items_without_verdict"]
        assert judged["n"] + judged["items_without_verdict"] == judged["of"]
        start = plain.index(f" {title(name)} judged by m-1, prompt {judged['judge']['prompt']['sha256']}")
        section = plain[start : plain.find(" judged by ", start + len(title(name)) + 20)]
        assert (
            f"2 runs of the judge: {label(judged['runs']['metric'])} {judged['runs']['mean']:.3f}" in section
        )
        told = f"{judged['unparsed']} of {judged['replies']} replies could not be read"
        assert (told in section) == bool(judged["unparsed"])
        for metric, one in judged["metrics"].items():
            words = UNPARSED if metric == "unparsed" else label(metric)
            over = f"{one['n']} of {judged['of']}" if one["n"] == judged["n"] < judged["of"] else one["n"]
            assert re.search(
                rf"{re.escape(words)} [↑↓] {number(one['value'])} {re.escape(interval(one))} {over} ", section
            ), (name, metric, section)
    assert lost and "counts as right" not in plain  # there is no sheet without predictions
    judge_run(tmp_path / "rules", asked(configs, tmp_path / "rules"), configs, RULES)
    stored = read_run(tmp_path / "rules")
    again = write_report(out, results=stored.results, predictions=stored.folder / "predictions.jsonl")
    assert "these figures are a rehearsal" in again.read_text()
    assert "right and wrong follow from his marks" in again.read_text()


def test_figures_of_several_answers_are_left_out_where_other_items_were_judged(two):
    """HallusionBench's pairs are sums over other items, where some of them are not compared."""
    path = two[1] / "predictions.jsonl"
    rows = rows_of(two[1])
    dropped = next(row for row in rows if row["task"] == "hallusionbench" and not row["blind"])
    dropped.clear()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows if row))
    results = json.loads((two[1] / "metrics.json").read_text())
    results["tasks"]["hallusionbench"]["n"] -= 1
    (two[1] / "metrics.json").write_text(json.dumps(results))
    found = compare(given(*two), QUICK)["tasks"]["hallusionbench"]
    assert "accuracy" in found["metrics"] and "qAcc" not in found["metrics"]
    assert {"qAcc", "fAcc"} <= set(found["left_out"])


def test_an_answer_without_a_verdict_is_not_among_the_compared(configs, tmp_path):
    """The judge loses three; the run is compared and shown over the others, and says so."""

    def write(body):
        return "1.0"

    def mood(number, body):
        return 400 if "blue" in body["messages"][-1]["content"] else "good"

    config = [one for one in configs if one.task == "mmvet"]
    results = asked(config, tmp_path / "some")
    with serve(Server(write=write, mood=mood)) as server:
        judge_run(tmp_path / "some", results, config, Judging(Hiring(server.url, "m")))
    other = shutil.copytree(tmp_path / "some", tmp_path / "other")
    stored = read_run(tmp_path / "some")
    assert len(stored.answered("mmvet")) == 8 == stored.results["tasks"]["mmvet"]["n"]
    found = compare(given(tmp_path / "some", other), QUICK)
    assert (found["tasks"]["mmvet"]["n"], found["tasks"]["mmvet"]["of"]) == (8, 24)
    assert "mmvet is compared over 8 of 24 items" in found["notes"]
    samples = list(samples_of_rows(rows_of(tmp_path / "some")))
    assert sum(bool(one.replies[0][0].flags & UNSCORED) for one in samples) == 16
    page = write_report(tmp_path / "page", results=stored.results).read_text()
    file = tmp_path / "some" / "judged" / "mmvet" / "judged.json"
    assert f"MM-Vet is scored over 8 of 24 items (16 have no verdict of the judge, listed in {file})" in page
    assert len(json.loads(file.read_text())["without_verdict"]) == 16


def test_items_without_a_verdict_are_all_in_the_file_that_is_named(configs, tmp_path, capsys):
    """More than a message can list: each has a place, and none is counted twice."""
    (config,) = (one for one in configs if one.task == "mmvet")
    items = json.loads(Path(config.annotations).read_text())
    many = {f"v1_{n}": {**items["v1_0"], "question": f"What is {n}?"} for n in range(30)}
    Path(config.annotations).write_text(json.dumps(many))
    results = asked([config], tmp_path / "out")
    judged_of = list(many)[:4]

    def mood(number, body):
        text = body["messages"][-1]["content"]
        return "good" if any(f"What is {one[3:]}?" in text for one in judged_of) else 400

    with serve(Server(write=lambda body: "1.0", mood=mood)) as server:
        found = judge_run(tmp_path / "out", results, [config], Judging(Hiring(server.url, "m")))
    task = found["tasks"]["mmvet"]
    assert (task["n"], task["items_without_verdict"], len(task["without_verdict"])) == (4, 26, 20)
    file = tmp_path / "out" / "judged" / "mmvet" / "judged.json"
    assert set(json.loads(file.read_text())["without_verdict"]) == set(many) - set(judged_of)
    tell_judged(found)
    told = capsys.readouterr().out
    assert "26 items have no verdict" in told and f"(all are in {file}, under without_verdict)" in told


def test_what_awaits_a_judge_or_had_another_is_not_compared_and_it_is_said(configs, tmp_path):
    config = [replace(one, limit=6) for one in configs if one.task in ("mmvet", "mmhal")]
    for name in ("judged", "waiting", "other"):
        results = asked(config, tmp_path / name)
        if name == "judged":
            judge_run(tmp_path / name, results, config, RULES)
        if name == "other":
            prompt = tmp_path / "prompt.md"
            prompt.write_text("## user\n{{ question }} {{ truth }} {{ answer }} and nothing else\n")
            judge_run(tmp_path / name, results, config, replace(RULES, prompt=prompt))
    runs = [str(tmp_path / name) for name in ("judged", "waiting")]
    assert cli.main(["eval", "--compare", *runs]) == 2
    both = compare_reasons(tmp_path, configs, "judged", "waiting")
    assert "await a judge in" in both and str(tmp_path / "waiting") in both
    assert "judges or their prompts are not the same" in compare_reasons(tmp_path, configs, "judged", "other")


def test_a_judge_that_fails_costs_neither_answers_nor_report(configs, tmp_path):
    """What it marked before stands; the rest says why it has no score; asked again, it goes on."""
    two = [replace(one, limit=6) for one in configs if one.task in ("mmvet", "llavabench")]
    out, failures = tmp_path / "out", []
    results = asked(two, out)

    def mood(number, body):
        return "good" if number <= 8 else 401

    with serve(Server(write=judged_files.said_by_the_judge, mood=mood)) as server:
        how = Judging(Hiring(server.url, "m", concurrency=1))
        found = judge_run(out, results, two, how, failures)
        with pytest.raises(UserError, match="key"):
            judge_run(out, results, two, how)
    assert len(failures) == 1
    assert found == json.loads((out / "metrics.json").read_text())
    (lost,) = [task for task in found["tasks"].values() if "judging_failed" in task]
    assert lost["judging_failed"] == str(failures[0]) and not lost["metrics"]
    page = write_report(out, results=found, predictions=out / "predictions.jsonl").read_text()
    assert "no score: the judge failed: " in page
    with serve(Server(write=judged_files.said_by_the_judge)) as server:
        again = judge_run(out, results, two, Judging(Hiring(server.url, "m")))
    assert all(task["metrics"] and "judging_failed" not in task for task in again["tasks"].values())


def compare_reasons(tmp_path: Path, configs, *names: str) -> str:
    with pytest.raises(Exception, match="Nothing can be compared") as caught:
        compare(given(*(tmp_path / name for name in names)), QUICK)
    return str(caught.value)


def test_a_judge_who_was_asked_otherwise_is_a_note(configs, tmp_path):
    config = [replace(one, limit=6) for one in configs if one.task == "mmvet"]
    for name, runs in (("once", 1), ("thrice", 3)):
        judge_run(tmp_path / name, asked(config, tmp_path / name), config, replace(RULES, runs=runs))
    notes = compare(given(tmp_path / "once", tmp_path / "thrice"), QUICK)["notes"]
    assert any(note.startswith("mmvet was judged with another runs (") for note in notes)


def test_sureness_is_told_once_the_judge_has_marked(two, configs, tmp_path):
    before = asked(configs, tmp_path / "before")["tasks"]
    assert before["mmvet"]["confidence"] is None
    after = json.loads((two[0] / "metrics.json").read_text())["tasks"]["mmvet"]
    sure = after["confidence"]["generated"]
    assert (sure["n"], sure["of"]) == (24, 24)
    assert sure["accuracy"]["value"] == pytest.approx(after["metrics"]["total"]["value"])
    assert sure["coverage_at"]["0.95"] == pytest.approx(8 / 24), "the red ones are right, and the surest"


def test_the_part_that_training_has_not_seen_has_the_judges_score(two, configs, tmp_path):
    (config,) = [one for one in configs if one.task == "mmvet"]
    folder = tmp_path / "train"
    folder.mkdir()
    shutil.copy(Path(config.images) / "v1_0.jpg", folder / "seen.png")
    turns = [{"from": "human", "value": "<image>\nHow many?"}, {"from": "gpt", "value": "One."}]
    (folder / "train.json").write_text(json.dumps([{"id": "a", "image": "seen.png", "conversations": turns}]))
    results = json.loads((two[0] / "metrics.json").read_text())
    results["tasks"] = {"mmvet": results["tasks"]["mmvet"]}
    tasks = build_tasks([config])
    add_overlap(results, two[0], tasks, [TrainingRecords(folder / "train.json", folder)])
    seen = results["tasks"]["mmvet"]["overlap"]
    assert seen["n"] == 24 and seen["clean"]["n"] < 24
    assert seen["clean"]["metrics"]["total"]["n"] == seen["clean"]["n"]
    assert seen["unpaired"]["metrics"]["total"] == results["tasks"]["mmvet"]["metrics"]["total"]


def test_robustness_of_what_a_judge_marks_says_why_it_has_no_scores(configs, tmp_path, capsys):
    from mmtune.commands.metrics_table import show_metrics

    config = [replace(one, limit=6) for one in configs if one.task == "mmvet"]
    results = evaluate(Talker(), build_tasks(config), tmp_path / "r", resamples=20, robust=["no-image"])
    results = judge_run(tmp_path / "r", results, config, RULES)
    one = results["robustness"]["mmvet"]["no-image"]["conditions"]["no-image"]
    assert one["metrics"] == {} == one["difference"] and one["changed"]["value"] is not None
    show_metrics(results)
    assert "only changed answers are told" in " ".join(capsys.readouterr().out.split())
    assert "only changed answers are told" in write_report(tmp_path / "r", results=results).read_text()


def test_judgements_of_the_blind_baseline_are_replayed_too(two, tmp_path):
    told = run(
        ["judge", "--replay", str(two[0] / "judged/mmvet.blind"), "--out", "again", "--json"], tmp_path
    )
    blind = json.loads((two[0] / "metrics.json").read_text())["tasks"]["mmvet"]["blind"]
    assert json.loads(told)["metrics"]["total"]["value"] == blind["total"]["value"]


def test_half_a_character_costs_neither_run_nor_page(configs, tmp_path):
    """A benchmark's JSON may spell half of a surrogate pair; UTF-8 has no place for it."""
    half = "It is red \ud83d."
    config = [one for one in configs if one.task == "mmvet"]
    path = Path(config[0].annotations)
    path.write_text(path.read_text().replace("Which?", "Which \\ud83d?"))

    class Half(Talker):
        def _reply(self, text, colour):
            return half

    results = evaluate(Half(), build_tasks(config), tmp_path / "half", resamples=20)
    assert results["tasks"]["mmvet"]["n"] == 24
    rows = rows_of(tmp_path / "half")
    assert {row["prediction"] for row in rows} == {half}, "as it came"
    assert {row["question"] for row in rows} == {"Which \ud83d?"}
    assert half in json.loads(Path(results["tasks"]["mmvet"]["answers_file"]).read_text()).values()
    write_report(tmp_path / "half", results=results, predictions=tmp_path / "half" / "predictions.jsonl")
