"""Annotation files: settings that go with them, and files that are refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from eval.tasks import build_tasks
from mmtune.errors import UserError
from tests import benchmark_files
from tests.unit.eval.score.scored import config_of, score, values


def test_labels_in_another_case_are_refused(tmp_path):
    files = benchmark_files.write("pope", tmp_path)
    files.annotations.write_text(files.annotations.read_text().replace('"no"', '"No"'))
    with pytest.raises(UserError, match="'No', neither yes nor no"):
        score("pope", files)


@pytest.mark.parametrize("task", ["vqav2", "pope"])
def test_a_benchmarks_file_that_is_nested_too_deeply_is_refused(task, tmp_path):
    files = benchmark_files.write(task, tmp_path)
    files.annotations.write_text("{}\n" * (task == "pope") + "[" * 100_000)
    with pytest.raises(UserError, match="nested too deeply"):
        score(task, files)


@pytest.mark.parametrize("task", ["aokvqa", "amber", "docvqa", "vizwiz"])
def test_a_benchmark_that_holds_an_id_twice_is_refused(task, tmp_path):
    """Answers are joined by id, so that one would count for two."""
    files = benchmark_files.write(task, tmp_path)
    value = json.loads(files.annotations.read_text())
    rows = value["data"] if isinstance(value, dict) else value
    rows.append(rows[-1])
    benchmark_files.dump(files.annotations, value)
    with pytest.raises(UserError, match="stands in the file twice"):
        score(task, files)


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    files = benchmark_files.write("refcoco", tmp_path)
    (files.annotations / "refs(unc).p").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(UserError, match=r"holds a (os|posix)\.system"):
        score("refcoco", files)


def test_refcoco_modes_place_the_same_box(tmp_path):
    files = benchmark_files.write("refcoco", tmp_path)
    said = {"padded": "[0.1, 0.3, 0.6, 0.55]", "thousandths": "(100,100),(600,600)"}
    for mode, text in said.items():
        rows = [{"sent_id": n, "answer": text} for n in range(benchmark_files.SIZE)]
        benchmark_files.rows(files.answers, rows)
        assert values(score("refcoco", replace(files, settings=f"mode={mode}")))["mean_iou"] == pytest.approx(
            1.0
        )


def test_ocr_tokens_stand_in_the_question_where_they_are_given(tmp_path):
    files = benchmark_files.write("textvqa", tmp_path)
    tokens = [{"image_id": f"i{n}", "ocr_tokens": ["STOP", str(n)]} for n in range(benchmark_files.SIZE)]
    ocr = benchmark_files.dump(tmp_path / "rosetta.json", {"data": tokens})
    (task,) = build_tasks([config_of("textvqa", replace(files, settings=f"ocr={ocr}"))]).values()
    assert "Reference OCR token: STOP, 3\nAnswer" in task.prompt(task.load()[3])
