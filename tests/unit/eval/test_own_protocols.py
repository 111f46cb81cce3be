"""Object HalBench with and without a model's lists, concepts shown in the prompt, questions without an image."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from eval.options import options_of
from eval.runner import evaluate
from eval.score_file import score_file
from eval.scoring import Sampling
from eval.tasks import TaskConfig, build_tasks, parse_task
from mmtune.errors import UserError
from tests import benchmark_files


def configured(task, folder):
    files = benchmark_files.write(task, folder)
    return files, replace(parse_task(f"{task}:{files.settings}"), annotations=str(files.annotations))


def scored(config, answers, **settings):
    metrics = score_file(config, answers, sampling=Sampling(resamples=10), **settings)["metrics"]
    return {name: found["value"] for name, found in metrics.items()}


def answered(path, texts, **beside):
    said = [
        {"image_id": n, "answer": text} | {k: v[n] for k, v in beside.items()} for n, text in enumerate(texts)
    ]
    return benchmark_files.rows(path, said)


def test_hallucinated_objects_are_counted_as_the_script_counts_them(tmp_path):
    _, config = configured("object_halbench", tmp_path)
    texts = (
        ["A dog and a dog, and a bus too."] + ["Nothing of the kind, sorry."] * 11 + ["A dog is here."] * 12
    )
    found = scored(config, answered(tmp_path / "a.jsonl", texts))
    # Images 0, 4, 8 … show dogs: of the 12 last ones, 3 do.
    assert found["chair_s"] == pytest.approx(10 / 24)
    assert found["chair_s_refine"] == pytest.approx(10 / 13), "only responses that name an object"
    assert found["chair_i"] == pytest.approx(10 / 15)
    assert found["recall"] == pytest.approx(4 / 24)
    assert found["extracted_by_model"] == 0.0


@pytest.mark.parametrize("place", ["answers", "replies"])
def test_what_a_language_model_extracted_takes_the_place_of_the_table(tmp_path, place):
    _, config = configured("object_halbench", tmp_path)
    texts = ["Over there is a hound, I think."] * 23 + ["A dog here."]
    lists = [["puppy", "large bus", "puppy", "puppy"]] * 24
    if place == "answers":
        path = answered(tmp_path / "a.jsonl", texts, extract_objs=lists)
    else:
        rows = [{"image_id": n, "extract_objs": json.dumps(each)} for n, each in enumerate(lists)]
        config = replace(config, replies=str(benchmark_files.rows(tmp_path / "replies.jsonl", rows)))
        path = answered(tmp_path / "a.jsonl", texts)
    found = scored(config, path)
    assert found["extracted_by_model"] == 1.0
    assert found["chair_s_refine"] == 1.0
    assert found["chair_s"] == pytest.approx(23 / 24), "the script asks its model nothing about three words"
    assert found["chair_i"] == pytest.approx((6 + 2 * 17) / 46)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"truth": None}, "needs COCO's annotations"),
        ({"truth": "{}/nowhere"}, "cannot be read|There are no"),
        ({"replies": "{}/bad.jsonl"}, "image 3 is no list of texts"),
    ],
)
def test_files_that_do_not_belong_to_it_are_one_clear_sentence(tmp_path, change, said):
    files, config = configured("object_halbench", tmp_path)
    benchmark_files.rows(tmp_path / "bad.jsonl", [{"image_id": 3, "extract_objs": "dog and cat"}])
    wrong = {name: value and value.format(tmp_path) for name, value in change.items()}
    with pytest.raises(UserError, match=said):
        scored(replace(config, **wrong), files.answers)


def test_demonstrations_are_earlier_turns_with_an_image_each(tmp_path):
    _, config = configured("link_context", tmp_path)
    (task,) = build_tasks([config]).values()
    item = task.load()[1]
    assert item.kinds == {"shots": "6", "concept": "toma"}
    assert item.images == (
        *(f"{n}_{i}.png" for i in (0, 1) for n in ("blicket", "toma", "wug")),
        "toma_1.png",
    )
    assert item.history[1] == ("<image>\nWhat is in the image?", "toma")
    assert task.prompt(item) == "<image>\nWhat is in the image?"


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("A Toma.", 1.0),
        ("a blicket", 0.0),
        ("a toma or a wug", 0.0),
        ("a tomato", None),
        ("", None),
        ("It is a big toma", 0.0),
    ],
)
def test_a_reply_must_name_the_concept_and_no_other(tmp_path, said, right):
    row = {"id": 1, "image": "q.png", "answer": "toma", "negatives": ["big toma"]}
    row["demonstrations"] = [{"image": f"{name}.png", "answer": name} for name in ("toma", "wug", "blicket")]
    path = benchmark_files.rows(tmp_path / "isekai.jsonl", [row])
    (task,) = build_tasks([TaskConfig("link_context", str(path))]).values()
    assert task.value(said, task.load()[0]) == right


def test_the_names_are_what_is_chosen_between(tmp_path):
    _, config = configured("link_context", tmp_path)
    (task,) = build_tasks([config]).values()
    assert set(options_of(task, task.load()[0], "likelihood").texts) == {"blicket", "toma", "wug"}
    assert options_of(task, task.load()[0], "generate") is None


def chat(path, **row):
    whole = {"id": "c1", "question": "And now?", "instructions": [["max_words", 3]], **row}
    (task,) = build_tasks(
        [TaskConfig("mmmt_if", str(benchmark_files.rows(path / "chats.jsonl", [whole])))]
    ).values()
    return task.load()[0]


def test_a_turn_of_a_chat_has_its_images_and_what_was_said_before(tmp_path):
    item = chat(tmp_path, images=["a.png", "b.png"], history=[["What is it?", "A cup."]], turn=2)
    assert (item.image, item.images) == ("a.png", ("a.png", "b.png"))
    assert (item.history, item.kinds) == ((("What is it?", "A cup."),), {"turn": "  2"})
    assert (chat(tmp_path).images, chat(tmp_path, image="a.png").images) == ((), ("a.png",))


@pytest.mark.parametrize(
    "row", [{"images": "a.png"}, {"images": [1]}, {"history": [["a"]]}, {"history": "a"}]
)
def test_a_turn_of_another_shape_is_refused(tmp_path, row):
    with pytest.raises(UserError, match="row 1"):
        chat(tmp_path, **row)


def test_questions_without_an_image_ship_and_need_no_folder(seeing, tmp_path, user_folder):
    (task,) = build_tasks([TaskConfig("text_only")]).values()
    items = task.load()
    assert len(items) == 60 and not any(item.images for item in items)
    assert {item.kinds["kind"] for item in items} == {"sums", "words", "facts", "copying", "form"}
    for item in items:
        if "answers" in item.truth:
            assert task.value(f" {item.truth['answers'][0].capitalize()}.", item) == 1.0, item.id
        else:
            assert task.value("", item) == 0.0, item.id
    found = evaluate(seeing, {"text_only": task}, tmp_path / "out", resamples=10)["tasks"]["text_only"]
    assert (found["n"], found["of"], found["blind"]) == (60, 60, {})
    assert 0.0 < found["metrics"]["accuracy"]["value"] < 0.5


def test_an_answer_inside_a_sentence_is_told_apart_from_none(tmp_path):
    (task,) = build_tasks([TaskConfig("text_only")]).values()
    item = next(item for item in task.load() if item.question.startswith("What is 7 + 5"))
    said = {text: task.score(text, item) for text in ("12", "Twelve.", "The answer is 12.", "112", "")}
    assert [counts["right"] for counts in said.values()] == [1, 1, 0, 0, 0]
    assert [counts["contained"] for counts in said.values()] == [1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"answers": []}, "no list of answers"),
        ({"answers": "12"}, "no list of answers"),
        ({"instructions": [["max_word", 2]]}, "did you mean 'max_words'"),
        ({"instructions": ["short"]}, "not pairs"),
    ],
)
def test_rows_of_ones_own_are_checked(tmp_path, row, said):
    path = benchmark_files.rows(tmp_path / "own.jsonl", [{"id": 1, "question": "Say it.", **row}])
    (task,) = build_tasks([TaskConfig("text_only", str(path))]).values()
    with pytest.raises(UserError, match=said):
        task.load()
