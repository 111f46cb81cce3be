"""What is asked for checks: their names and settings, the seed, and tasks to which none applies."""

from __future__ import annotations

import pytest

from eval.asking import Ask, plan_asks
from eval.robustness import KINDS, parse_kinds
from eval.robustness.planning import plan_conditions
from eval.runner import evaluate
from eval.runner import run as run_files
from eval.tasks import build_tasks
from mmtune.errors import UserError
from tests.unit.eval.coloured_choices import write_choices
from tests.unit.eval.scripted import run_scripted


def test_a_task_without_options_cannot_be_permuted(world, seeing, tmp_path):
    tasks = build_tasks([world.configs["pope"]])
    with pytest.raises(UserError, match="pope_random has no items with a list of lettered options"):
        evaluate(seeing, tasks, tmp_path, robust=["permute"])
    assert not seeing.asked


def test_what_cannot_be_asked_is_found_before_the_model_is_loaded(world, tmp_path):
    with pytest.raises(UserError, match="permute applies to nothing here"):
        run_files(tmp_path / "no-model", [world.configs["pope"]], tmp_path, robust=["permute"])


def test_a_check_that_fits_one_of_two_tasks_says_so_of_the_other(world, tmp_path, caplog):
    configs = [world.configs["pope"], write_choices(world)]
    results, _ = run_scripted(lambda ask: "A", configs, "permute", tmp_path)
    assert "no items with a list" in results["robustness"]["pope_random"]["permute"]["lacking"]
    assert "conditions" in results["robustness"]["cvbench"]["permute"]
    assert "pope_random has no items" in caplog.text


def test_the_same_seed_asks_the_same_and_another_seed_something_else(world):
    tasks = build_tasks([write_choices(world)])
    asks = plan_asks(tasks, {name: task.load() for name, task in tasks.items()}, False, 0)

    def planned(seed: int) -> list[Ask]:
        kinds = parse_kinds(["noise:1", "crop:5", "inject:answer-top", "permute:9"], seed)
        return list(plan_conditions(kinds, tasks, asks, "generate").asks)

    assert planned(0) == planned(0) != planned(1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jpg", "did you mean 'jpeg'"),
        ("jpeg:9", "no severity '9'.*0, 1, 2, 3, 4, 5"),
        ("permute:1", "2 or more"),
        ("inject:shout-top", "FORM-PLACE"),
        ("no-image:x", "no setting"),
        ("paraphrase:/none.json", "none.json"),
    ],
)
def test_a_check_that_does_not_exist_is_named(text, message):
    with pytest.raises(UserError, match=message):
        parse_kinds([text])


def test_a_check_named_twice_is_refused():
    with pytest.raises(UserError, match="twice"):
        parse_kinds(["jpeg", "jpeg:1"])


@pytest.mark.parametrize("name", KINDS)
def test_each_check_is_where_the_registry_says(name):
    kind = KINDS[name]()
    assert kind.name == name and kind.conditions() and all(c.startswith(name) for c in kind.conditions())
