"""Answer files as the official scripts take them, where a model's reply has another form."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from eval.tasks import TaskConfig
from eval.tasks.aokvqa import AOkVqa, AOkVqaDirect
from tests import benchmark_files


@pytest.mark.parametrize("split", ["val", "test"])
def test_aokvqa_compares_options_so_letters_are_written_as_their_options(tmp_path, split):
    files = benchmark_files.write("aokvqa", tmp_path)
    rows = json.loads(files.annotations.read_text())
    if split == "test":
        for row in rows:
            del row["correct_choice_idx"], row["direct_answers"]
        files.annotations.write_text(json.dumps(rows))
    task = AOkVqa(TaskConfig("aokvqa", str(files.annotations)))
    items = task.load()
    said = {items[0].id: "B", items[1].id: rows[1]["choices"][2], items[2].id: "Neither of them."}
    path = task.write_answers(tmp_path, items[:3], said)
    assert path.suffix == ".json"
    assert json.loads(path.read_text()) == {
        rows[0]["question_id"]: {"multiple_choice": rows[0]["choices"][1]},
        rows[1]["question_id"]: {"multiple_choice": rows[1]["choices"][2]},
        rows[2]["question_id"]: {"multiple_choice": "Neither of them."},
    }
    direct = AOkVqaDirect(replace(task.config, task="aokvqa_direct"))
    path = direct.write_answers(tmp_path, direct.load(), {items[0].id: "Red."})
    assert json.loads(path.read_text()) == {rows[0]["question_id"]: {"direct_answer": "red"}}
