"""Two runs side by side: matched by id, tested in pairs, with what cannot be compared said."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import replace

import pytest

from eval.compare import compare, parse_groups, read_run
from eval.compare.comparing import Drawing, stored_task
from eval.metrics.significance import mcnemar_exact
from eval.report.comparison import write_comparison
from eval.runner import evaluate
from eval.tasks import TASKS, TaskConfig, build_tasks
from mmtune import cli
from mmtune.commands.compare_table import show_comparison
from mmtune.errors import UserError
from tests.stored_runs import Given, right_or_wrong, write_run
from tests.unit.eval.conftest import SeeingEngine

QUICK = Drawing(resamples=200, permutations=999)
PLAIN = "realworldqa"  # its score is the mean of what each answer gets


def given(*runs, **named):
    return parse_groups([*map(str, runs), *(f"{name}={folder}" for name, folder in named.items())])


def yes_no(rights, images=None):
    """POPE's counts: every other question is to be answered yes."""
    rows = []
    for number, right in enumerate(rights):
        true = number % 2 == 0
        name = ("tp" if right else "fn") if true else ("tn" if right else "fp")
        said = (name in ("tp", "fp"), name == "tp", name == "tn")
        counts = dict.fromkeys(("tp", "fp", "tn", "fn", "neither"), 0.0) | {name: 1.0}
        counts |= dict(zip(("yes_fixed", "tp_fixed", "tn_fixed"), map(float, said), strict=True))
        rows.append(
            Given(str(number), counts, images[number] if images else f"{number}.png", right=bool(right))
        )
    return rows


@pytest.fixture
def pair(tmp_path):
    """31 questions; the first run alone has 2 right, the second alone 9."""
    first = [1] * 2 + [0] * 9 + [1] * 15 + [0] * 5
    second = [0] * 2 + [1] * 9 + [1] * 15 + [0] * 5
    return [
        write_run(tmp_path / name, {"plain": (PLAIN, right_or_wrong(values))})
        for name, values in (("before", first), ("after", second))
    ]


class BlurredEngine(SeeingEngine):
    """Takes every blue image for a red one."""

    def _look(self, request):
        seen = super()._look(request)
        return "red" if seen == "blue" else seen


@pytest.fixture
def seen_runs(world, seeing, tmp_path):
    """The same benchmarks asked of an engine that sees and of one that takes blue for red."""
    tasks = [
        *world.configs.values(),
        TaskConfig("coco_captions", str(world.root / "coco/captions_val.json"), str(world.root / "images")),
    ]
    for name, engine in (("sharp", seeing), ("blurred", BlurredEngine("second"))):
        evaluate(
            engine, build_tasks(tasks), tmp_path / name, resamples=20, blind=name == "sharp", checkpoint=name
        )
    return tmp_path / "sharp", tmp_path / "blurred"


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


def test_right_and_wrong_of_images_of_their_own_is_mcnemars_test(pair):
    found = compare(given(*pair), QUICK)
    accuracy = found["tasks"]["plain"]["metrics"]["accuracy"]
    change = accuracy["against_first"][1]
    assert [one["value"] for one in accuracy["values"]] == pytest.approx([17 / 31, 24 / 31])
    assert change["difference"] == pytest.approx(7 / 31)
    assert (change["test"], change["p"]) == ("mcnemar_exact", pytest.approx(mcnemar_exact(2, 9)))
    assert change["mcnemar"] == {"only_first": 2, "only_this": 9, "p": change["p"]}
    assert change["low"] < change["difference"] < change["high"]
    assert change["p_holm"] == change["p_bh"] == change["p"], "one task needs no correction"
    # 2.8 standard errors of 11 discordant answers, and never less than six flips.
    assert change["detectable"] == pytest.approx(2.8 * 11**0.5 / 31, rel=0.1)
    assert change["detectable"] >= 6 / 31


def test_questions_about_one_image_change_places_together(tmp_path):
    images = [f"{i // 4}.png" for i in range(48)]
    first, second = [0] * 16 + [1] * 32, [1] * 16 + [1] * 32
    for name, values in (("a", first), ("b", second)):
        write_run(tmp_path / name, {"plain": (PLAIN, right_or_wrong(values, images))})
    change = compare(given(tmp_path / "a", tmp_path / "b"), QUICK)["tasks"]["plain"]["metrics"]["accuracy"][
        "against_first"
    ][1]
    assert change["test"] == "swap_exact"
    assert change["p"] == pytest.approx(2 / 2**4), "four images differ"
    assert change["mcnemar"]["p"] == pytest.approx(2 / 2**16), "and sixteen questions"
    assert change["clusters"] == 12


def test_pairs_are_compared_and_not_two_samples(tmp_path):
    """What is hard for both cancels out: the interval of the difference is narrower than those of the scores."""
    draw = random.Random(1)
    base = [draw.random() < 0.6 for _ in range(400)]
    other = [value if draw.random() < 0.95 else not value for value in base]
    for name, values in (("a", base), ("b", other)):
        write_run(tmp_path / name, {"pope": ("pope", yes_no(values))})
    f1 = compare(given(tmp_path / "a", tmp_path / "b"), QUICK)["tasks"]["pope"]["metrics"]["f1"]
    change = f1["against_first"][1]
    widths = [one["high"] - one["low"] for one in f1["values"]]
    assert change["high"] - change["low"] < 0.6 * min(widths)
    assert change["test"] == "swap", "a ratio has no McNemar"
    assert change["difference"] == pytest.approx(f1["values"][1]["value"] - f1["values"][0]["value"])


def test_models_that_agree_on_everything_are_bounded_and_not_certain(tmp_path):
    for name in "ab":
        write_run(tmp_path / name, {"plain": (PLAIN, right_or_wrong([1, 0] * 30))})
    change = compare(given(tmp_path / "a", tmp_path / "b"), QUICK)["tasks"]["plain"]["metrics"]["accuracy"][
        "against_first"
    ][1]
    assert (change["difference"], change["p"]) == (0.0, 1.0)
    assert change["high"] == -change["low"] == pytest.approx(1 - 0.025 ** (1 / 60))
    assert change["detectable"] == pytest.approx(6 / 60)


def test_few_items_say_that_they_would_show_no_difference(tmp_path, capsys):
    """Five items never flip six times."""
    for name, values in (("a", [1, 0, 1, 0, 1]), ("b", [1, 1, 1, 0, 0])):
        write_run(tmp_path / name, {"plain": (PLAIN, right_or_wrong(values))})
    found = compare(given(tmp_path / "a", tmp_path / "b"), QUICK)
    change = found["tasks"]["plain"]["metrics"]["accuracy"]["against_first"][1]
    assert change["detectable"] is None and change["out_of_reach"]
    show_comparison(found)
    assert "not with this n" in capsys.readouterr().out
    page = write_comparison(tmp_path / "page.html", found, given(tmp_path / "a", tmp_path / "b"))
    assert '<td class="n">not with this n</td>' in page.read_text()


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


def test_p_values_are_corrected_over_tasks_and_models(tmp_path):
    draw = random.Random(3)
    base = [draw.random() < 0.5 for _ in range(300)]
    for name, share in (("a", 0.0), ("b", 0.1), ("c", 0.04)):
        tasks = {}
        for task in ("one", "two"):
            values = [value or draw.random() < share for value in base]
            tasks[task] = (PLAIN, right_or_wrong(values))
        write_run(tmp_path / name, tasks)
    found = compare(given(*(tmp_path / name for name in "abc")), QUICK)
    changes = [
        found["tasks"][task]["metrics"]["accuracy"]["against_first"][model]
        for task in ("one", "two")
        for model in (1, 2)
    ]
    smallest = min(changes, key=lambda change: change["p"])
    assert smallest["p_holm"] == pytest.approx(min(1.0, 4 * smallest["p"]))
    assert all(change["p"] <= change["p_bh"] <= change["p_holm"] for change in changes)
    other = found["tasks"]["one"]["metrics"]["unparsed"]["against_first"][1]
    assert "p_holm" not in other


def test_seeds_spread_and_items_spread_are_told_apart(tmp_path):
    """Seeds that differ by ten points among themselves cannot show a difference of five."""
    draw = random.Random(5)
    items = 600
    shares = {"a1": 0.60, "a2": 0.70, "a3": 0.65, "b1": 0.66, "b2": 0.76, "b3": 0.70}
    hard = [draw.random() for _ in range(items)]
    for name, share in shares.items():
        write_run(tmp_path / name, {"plain": (PLAIN, right_or_wrong([value < share for value in hard]))})
    groups = given(
        a=",".join(str(tmp_path / f"a{i}") for i in (1, 2, 3)),
        b=",".join(str(tmp_path / f"b{i}") for i in (1, 2, 3)),
    )
    found = compare(groups, QUICK)["tasks"]["plain"]
    first, second = found["metrics"]["accuracy"]["values"]
    change = found["metrics"]["accuracy"]["against_first"][1]
    assert first["value"] == pytest.approx(sum(first["seeds"]) / 3)
    assert first["between_seeds"] == pytest.approx(0.05, abs=0.02)
    assert 0.01 < first["between_items"] < 0.03
    assert change["difference"] == pytest.approx(second["value"] - first["value"])
    assert change["test"] == "t_seeds_and_items"
    assert change["p"] > 0.05
    assert change["items"]["low"] > 0, "on these seeds alone the difference is clear"
    assert change["low"] < 0 < change["high"]
    assert found["flips"][1]["only_first"] + found["flips"][1]["only_this"] > 0


def test_one_seed_against_three_counts_items_alone_and_says_so(tmp_path):
    draw = random.Random(6)
    for name, share in (("a", 0.5), ("b1", 0.7), ("b2", 0.7)):
        write_run(
            tmp_path / name, {"plain": (PLAIN, right_or_wrong([draw.random() < share for _ in range(200)]))}
        )
    groups = given(a=tmp_path / "a", b=f"{tmp_path / 'b1'},{tmp_path / 'b2'}")
    change = compare(groups, QUICK)["tasks"]["plain"]["metrics"]["accuracy"]["against_first"][1]
    assert change["test"] == "z_items_alone"
    assert change["p"] < 0.01


def test_a_comparison_is_the_same_every_time(pair):
    assert compare(given(*pair), QUICK) == compare(given(*pair), QUICK)


def test_names_tell_the_models_apart(tmp_path):
    for folder in ("x/eval", "y/eval", "z"):
        write_run(tmp_path / folder, {"plain": (PLAIN, right_or_wrong([1, 0]))})
    groups = parse_groups([str(tmp_path / "x/eval"), str(tmp_path / "y/eval"), f"mine={tmp_path / 'z'}"])
    assert [group.name for group in groups] == ["x/eval", "y/eval", "mine"]
    seeds = parse_groups([f"{tmp_path / 'x/eval'},{tmp_path / 'y/eval'}", str(tmp_path / "z")])
    assert [group.name for group in seeds] == ["eval and 1 more", "z"]
    assert [len(group.runs) for group in seeds] == [2, 1]


def test_every_benchmark_can_be_compared_without_its_files():
    for name in TASKS:
        assert stored_task("it", {"benchmark": name}).primary


def edit(folder, change, number=0, file="predictions.jsonl"):
    path = folder / file
    lines = path.read_text().splitlines()
    row = json.loads(lines[number])
    change(row)
    lines[number] = json.dumps(row)
    path.write_text("\n".join(lines) + "\n")


def drop_metrics(pair):
    (pair[1] / "metrics.json").unlink()


def drop_predictions(pair):
    (pair[1] / "predictions.jsonl").unlink()


def other_question(pair):
    edit(pair[1], lambda row: row.update(question="Is it blue?"))


def other_truth(pair):
    edit(pair[1], lambda row: row.update(truth="no"))


def not_a_number(pair):
    edit(pair[1], lambda row: row["counts"].update(right=float("nan")))


def text_for_a_count(pair):
    edit(pair[1], lambda row: row["counts"].update(right="1"))


def twice(pair):
    path = pair[1] / "predictions.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n")


def half_a_line(pair):
    path = pair[1] / "predictions.jsonl"
    path.write_text(path.read_text()[:-20])


def lost_rows(pair):
    path = pair[1] / "predictions.jsonl"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:-3]))


def other_ids(pair):
    path = pair[1] / "predictions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row | {"id": f"x{row['id']}"}) + "\n" for row in rows))


def other_tasks(pair):
    write_run(pair[1], {"else": (PLAIN, right_or_wrong([1, 0]))})


def other_benchmark(pair):
    write_run(pair[1], {"plain": ("pope", yes_no([1, 0]))})


def other_mode(pair):
    write_run(pair[1], {"plain": (PLAIN, right_or_wrong([1] * 31))}, config={"mode": "fixed"})


def not_a_run(pair):
    (pair[1] / "metrics.json").write_text('{"accuracy": 0.5}')


def numbers_alone(pair):
    results = json.loads((pair[1] / "metrics.json").read_text())
    results["tasks"]["plain"]["metrics"] = {"accuracy": 0.5}
    (pair[1] / "metrics.json").write_text(json.dumps(results))


def infinite(pair):
    text = (pair[1] / "metrics.json").read_text()
    (pair[1] / "metrics.json").write_text(text.replace('"seconds": 1.0', '"seconds": Infinity'))


def no_file_but_bytes(pair):
    (pair[1] / "predictions.jsonl").write_bytes(b"\xff\xfe\x00")


def counts_of_another_version(pair):
    for folder in pair:
        path = folder / "predictions.jsonl"
        path.write_text(path.read_text().replace('"items"', '"questions"'))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (drop_metrics, "has no metrics.json"),
        (drop_predictions, "has no predictions.jsonl"),
        (other_question, "asks 'Is it red?' in one run and 'Is it blue?' in the other"),
        (other_truth, "The truth of item 0 of plain is 'yes' in one run and 'no'"),
        (not_a_number, "There is a NaN among the numbers"),
        (text_for_a_count, "A count of item 0 is '1', no number"),
        (twice, "Item 0 of plain stands there twice"),
        (half_a_line, "Malformed JSON"),
        (lost_rows, "predictions.jsonl has 28 answers of plain, metrics.json is made from 31"),
        (other_ids, "no item was answered by all runs"),
        (other_tasks, "The runs have no task in common"),
        (other_benchmark, "plain is realworldqa in one run and pope in another"),
        (other_mode, "scored with mode=None in one run and mode=fixed in another"),
        (not_a_run, "These are no results of mmtune eval"),
        (numbers_alone, "accuracy of plain is not as mmtune eval writes it"),
        (infinite, "There is a Infinity among the numbers"),
        (no_file_but_bytes, "not UTF-8"),
        (counts_of_another_version, "lack 'items', which this version"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_cannot_be_compared_is_one_clear_sentence(pair, capsys, spoil, said):
    spoil(pair)
    assert cli.main(["eval", "--compare", *map(str, pair)]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--compare", "nowhere", "there"], "There is no such run"),
        (["--compare", "a"], "One run alone cannot be compared"),
        (["--compare", "a", "a"], "compared with itself"),
        (["--compare", "a", "b", "--task", "pope:annotations=x"], "without a checkpoint or tasks"),
        (["--compare", "a", "b", "--show", "a"], "cannot go together"),
        (["--show", "a", "--out", "b"], "--show writes nothing"),
        (["--show", "nowhere"], "There is no such run"),
        (["--line", "latex"], "--line shows finished runs"),
        (["--compare", "x=,", "b"], "A run has no folder"),
        (["--compare", "x=a", "x=b"], "Two models have one name"),
    ],
)
def test_mistakes_in_the_command_are_one_clear_sentence(user_folder, capsys, words, said):
    for name in "ab":
        write_run(user_folder / name, {"plain": (PLAIN, right_or_wrong([1, 0]))})
    assert cli.main(["eval", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_note_says_what_was_asked_otherwise(pair):
    write_run(pair[1], {"plain": (PLAIN, right_or_wrong([1] * 31))}, prompt="Look: {question}")
    (note,) = compare(given(*pair), QUICK)["notes"]
    assert "another prompt" in note and "Look: {question}" in note


def test_the_command_prints_writes_and_needs_no_torch(pair, tmp_path):
    code = (
        "import sys\nfrom mmtune import cli\n"
        f"assert cli.main(['eval', '--compare', {str(pair[0])!r}, {str(pair[1])!r}, '--out', 'c']) == 0\n"
        "assert not {'torch', 'transformers', 'scipy'} & set(sys.modules)\n"
    )
    env = {"PYTHONPATH": ":".join(path for path in sys.path if path), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert "after against before" in done.stdout
    assert "McNemar's exact test" in done.stdout
    written = json.loads((tmp_path / "c/compare.json").read_text())
    assert written["tasks"]["plain"]["n"] == 31
    assert (tmp_path / "c/compare.html").stat().st_size > 10_000


def test_a_run_is_read_back_whole(seen_runs):
    run = read_run(seen_runs[0])
    assert len(run.answered("pope_random")) == 24
    with pytest.raises(UserError, match="no such run"):
        read_run(seen_runs[0] / "deeper")
