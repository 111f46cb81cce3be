"""Every benchmark's own files from end to end: all answers, some of them, and rows of another shape."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import replace

import pytest

from eval.score_file import score_file
from eval.scoring import Sampling
from eval.tasks import TASKS, build_tasks, parse_task
from mmtune.errors import UserError
from tests import benchmark_files
from tests.unit.eval.score.scored import config_of, score, values

UNWRONGABLE = {"chair", "captions", "amber_descriptions", "object_halbench", "llavabench"}
"""A description that was never written hallucinates nothing, and without a review there is no reference."""


def test_every_task_has_files_here_and_says_what_it_is():
    assert set(benchmark_files.WRITERS) == set(TASKS)
    for name, task in TASKS.items():
        told = " ".join(kind.__doc__ or "" for kind in task.__mro__)
        assert task.title and task.primary and "Source:" in told, name


def test_the_documents_table_has_every_task(root):
    text = (root / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    table = text[text.index("## Metrics") :]
    assert [name for name in TASKS if f"`{name}`" not in table] == []


@pytest.mark.parametrize("name", ["MM-Vet", "LLaVA-Bench", "VQAv2", "OK-VQA", "SEED-Bench", "MMBench_CN"])
def test_benchmarks_go_by_the_names_that_people_write(name):
    assert parse_task(name).task in TASKS


@pytest.mark.parametrize("task", benchmark_files.WRITERS)
def test_right_answers_score_as_such_in_every_benchmarks_own_format(task, tmp_path):
    files = benchmark_files.write(task, tmp_path)
    result = score(task, files)
    assert (result["n"], result["of"], result["complete"]) == (files.items, files.items, True)
    got, primary = values(result), benchmark_files.PERFECT.get(task, 1.0)
    assert primary is None or got[result["primary"]] == pytest.approx(primary, abs=1e-3)
    assert {name: got[name] for name in files.perfect} == pytest.approx(files.perfect, abs=1e-3)
    assert json.dumps(result, allow_nan=False)


@pytest.mark.parametrize("task", benchmark_files.WRITERS)
def test_what_a_run_writes_is_what_score_reads(task, tmp_path):
    """The answer file of a run goes back in through the same reader, ids and all."""
    files = benchmark_files.write(task, tmp_path)
    config = config_of(task, files)
    if files.questions:
        config = replace(config, questions=str(files.questions))
    (built,) = build_tasks([config]).values()
    if built.needs_judge:
        return  # a judge comes between the two files
    items = built.load()
    said = {item.id: f"=red, {number}" for number, item in enumerate(items)}
    path = built.write_answers(tmp_path / "written", items, said)
    read = built.read_answers(path, items)
    assert read == {identity: built.submitted(text) for identity, text in said.items()}
    assert all(built.prompt(item).strip() for item in items)
    assert len({item.id for item in items}) == len(items) >= 20


@pytest.mark.parametrize("task", sorted(set(benchmark_files.WRITERS) - UNWRONGABLE))
def test_missing_answers_are_refused_or_count_as_wrong(task, tmp_path):
    files = benchmark_files.write(task, tmp_path)
    (built,) = build_tasks([config_of(task, files)]).values()
    items = built.load_truth()
    right = built.read_answers(files.answers, items)
    gone = [item.id for item in items][1::2]
    path = benchmark_files.dump(tmp_path / "some.json", {"answers": []})
    rows = [
        {built.answer_ids[0]: k, "judgement": v, built.answer_texts[0]: v}
        for k, v in right.items()
        if k not in gone
    ]
    if task == "mmvet":
        rows = [row | {"score": [1.0]} for row in rows]
    if task == "hallusionbench":
        rows = [
            {**next(i for i in items if i.id == row[built.answer_ids[0]]).truth, "x_gpt_check": 1}
            for row in rows
        ]
    benchmark_files.rows(path, rows)
    some = replace(files, answers=path)
    with pytest.raises(
        UserError, match=rf"{len(gone)} of {len(items)} items have no answer: {re.escape(gone[0])}"
    ):
        score(task, some)
    wrong = score(task, some, missing="wrong")
    assert (wrong["n"], wrong["of"], wrong["answered"]) == (len(items), len(items), len(items) - len(gone))
    assert wrong["missing_counted_as_wrong"] == len(gone) and not wrong["complete"]
    whole = values(score(task, files))
    primary = wrong["primary"]
    if task not in ("mme",):
        assert values(wrong)[primary] < whole[primary]
    skipped = score(task, some, missing="skip")
    assert (skipped["n"], skipped["of"], skipped["missing"][0]) == (
        len(right) - len(gone),
        len(items),
        gone[0],
    )


@pytest.mark.parametrize("task", sorted(UNWRONGABLE))
def test_a_missing_description_cannot_count_as_a_wrong_one(task, tmp_path):
    files = benchmark_files.write(task, tmp_path)
    one = {"image_id": 1, "id": 1, "caption": "A dog.", "response": "A dog.", "judgement": "8 7"}
    files.answers = benchmark_files.rows(tmp_path / "one.jsonl", [one])
    with pytest.raises(UserError, match="none cannot count as a wrong one"):
        score(task, files, missing="wrong")
    assert score(task, files, missing="skip")["n"] == 1


def _first_row(value):
    """The first object of a file that holds plain values."""
    if isinstance(value, dict) and any(isinstance(v, str | int) for v in value.values()):
        return value
    inside = value.values() if isinstance(value, dict) else value
    return next(filter(None, (_first_row(v) for v in inside if isinstance(v, dict | list))), None)


def _bent(path):
    """Each way to bend the first row of a file: each field in turn is of another kind, or not there."""
    text = path.read_text(encoding="utf-8")
    as_lines = len(text.splitlines()) > 1
    value = [json.loads(line) for line in text.splitlines()] if as_lines else json.loads(text)
    row = _first_row(value)
    for name in list(row or ()):
        for other in (None, ["a"], {"a": 1}, ...):
            kept = dict(row)
            if other is ...:
                del row[name]
            else:
                row[name] = other
            yield "".join(json.dumps(v) + "\n" for v in value) if as_lines else json.dumps(value)
            row.clear()
            row.update(kept)


@pytest.mark.parametrize("task", sorted(set(benchmark_files.WRITERS) - {"okvqa", "infovqa", "captions"}))
def test_files_of_another_shape_end_in_one_sentence_or_in_a_score(task, tmp_path):
    """Never in a traceback: whatever is wrong with the first row is told as a mistake in the file."""
    files = benchmark_files.write(task, tmp_path)
    tried = 0
    for path in (files.annotations, files.answers):
        if path.suffix not in (".json", ".jsonl"):
            continue
        whole = path.read_text(encoding="utf-8")
        for text in _bent(path):
            path.write_text(text, encoding="utf-8")
            with contextlib.suppress(UserError):
                result = score_file(config_of(task, files), files.answers, sampling=Sampling(resamples=2))
                assert result["n"] == result["of"]
            tried += 1
        path.write_text(whole, encoding="utf-8")
    assert tried or task in ("mme", "mmbench_cn", "mmbench")
