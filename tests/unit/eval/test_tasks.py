"""Tasks read the official files, refuse what does not fit together, and write the official answer files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from eval.metrics.intervals import UNDEFINED
from eval.scoring import Sampling, Scored, score_table
from eval.tasks import TaskConfig, build_tasks, parse_task
from mmtune.errors import UserError
from tests import benchmark_files

WORLD_TASKS = ("pope", "vqav2", "chair", "captions")
"""Those whose files show the colours of ``conftest``; all tasks on files of their own are in ``score/``."""


def build(config):
    (task,) = build_tasks([config]).values()
    return task, task.load()


def totals(task, pairs):
    counts = [task.score(prediction, item) for prediction, item in pairs]
    return {name: np.array([sum(c[name] for c in counts)]) for name in counts[0]}


def metrics(task, pairs):
    return {name: float(value[0]) for name, value in task.aggregate(totals(task, pairs)).items()}


@pytest.mark.parametrize("name", WORLD_TASKS)
def test_every_task_loads_scores_and_aggregates(world, name):
    task, items = build(world.configs[name])
    scored = metrics(task, [("", item) for item in items])
    assert task.primary in scored
    assert task.lower_is_better <= {*scored, *task.lower_is_better}
    assert len({item.id for item in items}) == len(items) >= 12
    assert all((world.root / "images" / item.image).exists() for item in items)


def test_pope_scores_as_its_script(world):
    task, items = build(world.configs["pope"])
    assert task.name == "pope_random"
    said = [("Yes" if item.truth == "yes" else "no", item) for item in items]
    assert metrics(task, said)["f1"] == 1.0
    always = metrics(task, [("yes", item) for item in items])
    assert (always["recall"], always["precision"], always["yes_ratio"]) == (1.0, 0.5, 1.0)
    never = metrics(task, [("No.", item) for item in items])
    assert np.isnan(never["precision"]) and np.isnan(never["f1"])
    assert metrics(task, [("a red thing", item) for item in items])["unparsed"] == 1.0


def test_pope_beside_its_script_counts_replies_that_cannot_be_read_as_wrong(world):
    task, items = build(world.configs["pope"])
    yes, no = ([item for item in items if item.truth == truth] for truth in ("yes", "no"))
    said = [("Yes", item) for item in yes] + [("No", item) for item in no]
    plain = metrics(task, said)
    assert all(plain[f"{name}_fixed"] == plain[name] == 1.0 for name in ("accuracy", "f1"))
    # One of each truth says nothing, one "NO!" where it is no: the script takes all three for yes.
    said[0], said[12], said[13] = ("red", yes[0]), ("red", no[0]), ("NO!", no[1])
    found = metrics(task, said)
    assert (found["accuracy"], found["accuracy_fixed"]) == (22 / 24, 22 / 24)
    assert (found["precision"], found["precision_fixed"]) == (12 / 14, 11 / 12)
    assert (found["recall"], found["recall_fixed"]) == (1.0, 11 / 12)
    assert found["f1_fixed"] == pytest.approx(11 / 12)
    assert (found["yes_ratio"], found["yes_ratio_fixed"]) == (14 / 24, 11 / 24)
    assert found["unparsed"] == 2 / 24
    # A model that says nothing where it is no gains nothing by it, and a missing answer is no yes.
    silent = metrics(task, [("yes", item) for item in yes] + [("hm", item) for item in no])
    assert (silent["f1_fixed"], silent["yes_ratio_fixed"]) == (pytest.approx(2 / 3), 0.5)
    assert task.unanswered(no[0])["yes_fixed"] == task.unanswered(yes[0])["tp_fixed"] == 0.0


def test_without_a_yes_pope_has_no_precision_in_either_reading(world):
    """Nothing that can be read is yes to the script, and no yes to the mended reading."""
    task, items = build(world.configs["pope"])
    found = score_table(
        task,
        [Scored(item, task.score("hm" if n < 4 else "no", item)) for n, item in enumerate(items)],
        Sampling(20),
    )
    assert found["precision"]["value"] == 0.5
    for name in ("precision_fixed", "f1_fixed"):
        assert found[name]["value"] is None and found[name]["why"] == UNDEFINED
    assert found["recall_fixed"]["value"] == 0


def test_pope_answers_come_in_the_order_of_the_labels(world, tmp_path):
    task, items = build(world.configs["pope"])
    said = {item.id: f"answer {item.id}" for item in reversed(items)}
    path = task.write_answers(tmp_path / "answers", items, said)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert path.name == "pope_random.answers.jsonl"
    assert rows == [{"question": i.question, "answer": f"answer {i.id}"} for i in items]


def test_an_answer_file_with_gaps_says_so_in_its_name(world, tmp_path):
    for name in WORLD_TASKS:
        task, items = build(world.configs[name])
        path = task.write_answers(tmp_path, items, {items[0].id: "red"})
        assert ".partial." in path.name


def test_answer_files_of_an_earlier_run_do_not_stay(world, tmp_path):
    task, items = build(world.configs["pope"])
    everything = {item.id: "yes" for item in items}
    for given in (everything, {items[0].id: "yes"}, everything):
        path = task.write_answers(tmp_path / "answers", items, given)
        assert list((tmp_path / "answers").iterdir()) == [path]


def test_an_answer_folder_of_an_earlier_run_does_not_stay(tmp_path):
    files = benchmark_files.write("mme", tmp_path)
    task, items = build(TaskConfig("mme", str(files.annotations)))
    for given in ({items[0].id: "Yes"}, {item.id: "Yes" for item in items}, {}):
        path = task.write_answers(tmp_path / "out", items, given)
        assert list((tmp_path / "out").iterdir()) == [path]


@pytest.mark.parametrize("setting", ["limit", "max_new_tokens"])
def test_counts_below_one_are_refused(world, setting):
    with pytest.raises(UserError, match=setting):
        build(replace(world.configs["pope"], **{setting: 0}))


def test_vqa_joins_by_id_and_writes_what_the_server_takes(world, tmp_path):
    task, items = build(world.configs["vqav2"])
    assert (
        metrics(task, [(world.colour(int(i.id) - 100).capitalize() + ".", i) for i in items])["accuracy"]
        == 1.0
    )
    path = task.write_answers(tmp_path, items, {item.id: "The Red." for item in items})
    assert json.loads(path.read_text()) == [{"question_id": i.official_id, "answer": "red"} for i in items]
    assert isinstance(items[0].official_id, int)
    assert items[0].kinds == {"question_type": "what colour", "answer_type": "other"}


def test_vqa_reports_the_official_and_the_fixed_score(world):
    task, items = build(world.configs["vqav2"])
    item = items[0]
    item.truth[0]["answer"] = "two reds"
    scored = metrics(task, [("2 reds", item)])
    assert set(scored) == {"accuracy", "accuracy_fixed"}


def test_vqa_without_annotations_gives_answers_and_no_score(world, tmp_path):
    config = world.configs["vqav2"]
    task, items = build(TaskConfig("vqav2", images=config.images, questions=config.questions))
    assert task.aggregate(totals(task, [("red", items[0])])) == {}
    assert task.write_answers(tmp_path, items, {i.id: "a" for i in items}).exists()


def test_vqa_refuses_questions_and_annotations_of_different_splits(world):
    config = world.configs["vqav2"]
    file = json.loads((world.root / "annotations.json").read_text())
    del file["annotations"][0]
    world.write("annotations.json", file)
    with pytest.raises(UserError, match="1 question has no annotation"):
        build(config)


def test_chair_on_classes_of_another_world_takes_their_names(world):
    task, items = build(world.configs["chair"])
    first = items[0]
    scored = metrics(task, [("A green and a red thing, and green again.", first)])
    assert first.truth.objects[""] == {"green"}
    assert scored["chair_i"] == pytest.approx(1 / 3)
    assert (scored["chair_s"], scored["recall"]) == (1.0, 1.0)


def test_chair_on_coco_classes_gives_official_and_fixed_figures(world):
    images = [{"id": 1, "file_name": world.file(1)}]
    instances = {
        "images": images,
        "categories": [{"id": 6, "name": "bus"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 6}],
    }
    captions = {
        "images": images,
        "annotations": [{"id": 1, "image_id": 1, "caption": "A man on the street."}],
    }
    one, two = world.write("instances.json", instances), world.write("captions.json", captions)
    task, items = build(TaskConfig("chair", f"{one}:{two}", str(world.root / "images")))
    assert items[0].truth.objects == {"": {"bus", "person"}, "_fixed": {"bus", "person"}}
    scored = metrics(task, [("A bus and a dog.", items[0])])
    assert scored["chair_i"] == 1.0  # the official singulariser turns "bus" into "bu"
    assert scored["chair_i_fixed"] == 0.5


def test_captions_count_each_class_once(world):
    task, items = build(world.configs["captions"])
    scored = metrics(task, [("green green red", items[0])])
    assert scored["object_recall"] == 1.0
    assert scored["object_precision"] == 0.5
    assert metrics(task, [("It is green.", items[0])])["cider_d"] > scored["cider_d"]


def test_a_prompt_is_a_name_or_a_text(world):
    config = world.configs["pope"]
    short, items = build(TaskConfig("pope", config.annotations, prompt=None))
    assert short.prompt(items[0]).endswith("single word or phrase.")
    own, _ = build(TaskConfig("pope", config.annotations, prompt="Q: {question} A:"))
    assert own.prompt(items[0]) == f"Q: {items[0].question} A:"
    with pytest.raises(UserError, match="no place for the question"):
        build(TaskConfig("pope", config.annotations, prompt="Hello"))
    described, images = build(TaskConfig("captions", world.configs["captions"].annotations, prompt="Say it."))
    assert described.prompt(images[0]) == "Say it."


def test_braces_in_a_question_stay(world):
    task, items = build(world.configs["pope"])
    odd = type(items[0])("1", "a.png", "What is {x} and {question}?")
    assert task.prompt(odd) == "What is {x} and {question}?"


def test_a_folder_of_pope_files_is_a_task_a_split(world):
    rows = (world.root / "coco_pope_random.json").read_text()
    folder = world.root / "pope"
    folder.mkdir()
    for split in ("random", "popular", "adversarial"):
        (folder / f"coco_pope_{split}.json").write_text(rows)
    tasks = build_tasks([TaskConfig("pope", str(folder), str(world.root / "images"))])
    assert sorted(tasks) == ["pope_adversarial", "pope_popular", "pope_random"]


def test_tasks_are_named_with_their_files_on_the_command_line():
    config = parse_task("vqav2:annotations=a.json,questions=q.json,images=val,limit=10,prompt=bare")
    assert config == TaskConfig("vqav2", "a.json", "val", "q.json", prompt="bare", limit=10)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("poope:annotations=a", "did you mean 'pope'"),
        ("pope:annotation=a", "unknown task setting 'annotation'.*did you mean 'annotations'"),
        ("pope:annotations", "annotations has no value"),
        ("pope:limit=ten", "whole number"),
    ],
)
def test_a_mistyped_task_is_one_clear_sentence(text, said):
    with pytest.raises(UserError, match=said):
        parse_task(text)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b'{"question_id": 1}', "has no 'image'"),
        (b'{"question_id": 1,}', "line 1, column 19"),
        (b"[1, 2]", "Row 1 is not a JSON object"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_bad_annotation_file_is_one_clear_sentence(tmp_path, content, said):
    path = tmp_path / "pope.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=said):
        build(TaskConfig("pope", str(path)))


def test_an_id_that_stands_twice_is_refused(world):
    path = world.root / "coco_pope_random.json"
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n")
    with pytest.raises(UserError, match="stands in the file twice"):
        build(world.configs["pope"])


def test_files_with_a_byte_order_mark_are_read(world):
    path = world.root / "coco_pope_random.json"
    path.write_text("\ufeff" + path.read_text(), encoding="utf-8")
    assert len(build(world.configs["pope"])[1]) == 24


def test_two_tasks_of_one_name_and_no_task_are_refused(world):
    with pytest.raises(UserError, match="Two tasks"):
        build_tasks([world.configs["pope"]] * 2)
    with pytest.raises(UserError, match="no task"):
        build_tasks([])
