"""Items that count together: rotations, pairs, figures. A group of which a part is left out does not count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from eval.report import write_report
from eval.runner import limited
from eval.score_file import score_file
from eval.scoring import Sampling
from eval.tasks import TaskConfig, build_tasks
from mmtune.commands.metrics_table import show_metrics
from mmtune.errors import UserError
from tests import benchmark_files
from tests.unit.eval.scripted import run_scripted


def written(name, folder):
    return benchmark_files.write(name, folder).annotations


def mmbench(folder):
    return TaskConfig("mmbench", str(written("mmbench", folder)))


def score(config, answers, folder, **settings):
    path = benchmark_files.dump(folder / "some.json", [{"id": k, "text": v} for k, v in answers.items()])
    return score_file(config, path, sampling=Sampling(resamples=20), **settings)["metrics"]


@pytest.mark.parametrize(("name", "metric"), [("mmbench", "circular"), ("mme", "accuracy_plus")])
def test_a_group_without_one_of_its_items_is_left_out(name, metric, tmp_path):
    config = TaskConfig(name, str(written(name, tmp_path / name)))
    (task,) = build_tasks([config]).values()
    items = task.load()
    groups = {}
    for item in items:
        groups.setdefault(task.together(item), []).append(item)
    whole = [group for group in groups.values() if len(group) > 1]
    assert whole, "the files have groups"
    # One is answered wrongly, and it is left out: what is left of its group is right.
    answers = {item.id: getattr(item.truth, "letter", item.truth) for item in items}
    del answers[whole[0][-1].id]
    skipped = score(config, answers, tmp_path, missing="skip")[metric]
    wrong = score(config, answers, tmp_path, missing="wrong")[metric]
    assert (skipped["value"], skipped["n"]) == (1.0, len(groups) - 1)
    assert wrong["n"] == len(groups) and wrong["value"] == pytest.approx(1 - 1 / len(groups))


@pytest.mark.parametrize("name", ["mmbench", "mme"])
def test_a_limit_draws_whole_groups(name, tmp_path):
    config = TaskConfig(name, str(written(name, tmp_path)))
    for limit in (1, 5, 9, 1000):
        (task,) = build_tasks([replace(config, limit=limit)]).values()
        items = task.load()
        drawn = limited(task, items, seed=1)
        assert drawn == [item for item in items if item in drawn], "in the order of the file"
        assert 0 < len(drawn) <= limit
        if limit > 4:
            kept = {task.together(item) for item in drawn}
            assert drawn == [item for item in items if task.together(item) in kept]


@pytest.mark.parametrize(
    ("limit", "broken", "told"),
    [
        (None, "nothing", None),
        (4, "nothing", "too few other images"),
        (8, "every rotation", "none of the questions about other images was answered: it timed out"),
        (None, "one rotation", "or all answers of a group"),
    ],
)
def test_a_figure_without_a_blind_one_says_why(limit, broken, told, tmp_path, capsys):
    config = replace(mmbench(tmp_path), images=str(tmp_path), limit=limit)
    # Each question tells its number, as each image does, so that what is asked about another image shows.
    lines = [line.split("\t") for line in Path(config.annotations).read_text().splitlines()]
    for row in lines[1:]:
        row[1] = f"Which colour is {int(row[0]) % 1_000_000}.jpg?"
    Path(config.annotations).write_text("".join("\t".join(row) + "\n" for row in lines))

    def say(ask):
        if ask.image not in ask.text and (
            broken == "every rotation" or (broken == "one rotation" and "A. white" in ask.text)
        ):
            return UserError("it timed out")
        return "A"

    results = run_scripted(say, [config], "", tmp_path / "run", blind=True)[0]
    found = results["tasks"]["mmbench"]
    assert found["metrics"]["circular"]["value"] == 0.0
    assert ("circular" in found["blind"]) == (told is None)
    lacking = found["blind_lacking"].get("circular")
    show_metrics(results)
    page = write_report(tmp_path / "run", results=results).read_text()
    line = "mmbench has no blind circular" + (f": {lacking}" if told else "")
    assert (line in capsys.readouterr().out) == (told is not None)
    if told is None:
        assert lacking is None and "has no blind" not in page
        assert found["blind"]["circular"]["n"] == found["metrics"]["circular"]["n"] == 6
    else:
        assert told in lacking and told in page
