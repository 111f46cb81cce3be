"""Test sets, whose truth only the benchmark's server knows: they are asked, and have answers but no score."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
from PIL import Image

from eval.answer_files import read_answers
from eval.runner import evaluate
from eval.tasks import build_tasks, parse_task
from tests import benchmark_files

TRUTH = {"answer", "answers", "answer_type", "answerable", "correct_choice_idx", "direct_answers"}
TASKS = ("vizwiz", "textvqa", "gqa", "mmbench", "aokvqa", "aokvqa_direct", "docvqa", "seedbench")


def without_truth(value):
    if isinstance(value, dict):
        return {name: without_truth(each) for name, each in value.items() if name not in TRUTH}
    return [without_truth(each) for each in value] if isinstance(value, list) else value


def strip(path):
    """Take the truth out of an official file."""
    if path.suffix != ".tsv":
        path.write_text(json.dumps(without_truth(json.loads(path.read_text()))))
        return
    csv.field_size_limit(1 << 24)
    with path.open(newline="") as file:
        rows = [without_truth(row) for row in csv.DictReader(file, delimiter="\t")]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("name", TASKS)
def test_a_test_set_is_asked_and_its_answers_are_written_without_a_score(name, seeing, tmp_path):
    files = benchmark_files.write(name, tmp_path)
    strip(files.annotations)
    config = replace(
        parse_task(f"{name}:annotations={files.annotations}"), images=str(tmp_path / "images"), prompt="bare"
    )
    tasks = build_tasks([config])
    (items,) = (task.load() for task in tasks.values())
    assert all(item.truth is None for item in items)
    for number, item in enumerate(items):
        path = tmp_path / "images" / item.image
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), benchmark_files.colour(number)).save(path, "PNG")
    found = evaluate(seeing, tasks, tmp_path / "out", resamples=10, robust=["no-image"])["tasks"][name]
    assert (found["n"], found["of"], found["metrics"], found["blind"]) == (len(items), len(items), {}, {})
    assert ".partial" not in found["answers_file"]
    (task,) = tasks.values()
    written = task.read_answers(tmp_path / "out" / "answers" / found["answers_file"].split("/")[-1], items)
    assert len(written) == len(items)


def test_the_sheet_of_mmbench_has_the_options_also_without_the_truth(seeing, tmp_path):
    files = benchmark_files.write("mmbench", tmp_path)
    strip(files.annotations)
    (task,) = build_tasks([parse_task(f"mmbench:annotations={files.annotations}")]).values()
    items = task.load()
    path = task.write_answers(tmp_path, items, {item.id: "A" for item in items})
    options = read_answers(path, ("index",), ("B",))
    assert len(options) == len(items) and all(options.values())
