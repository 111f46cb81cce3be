"""Answer files: joined by id, of several formats, and wrong in every known way."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import openpyxl
import pytest

from eval.answer_files import MAX_CHARACTERS, read_answers
from mmtune.cli import main
from mmtune.errors import UserError
from tests import benchmark_files
from tests.unit.eval.score.scored import score, values


def test_answers_go_by_id_not_by_place(vqa, tmp_path):
    answers = json.loads(vqa.answers.read_text())
    shuffled = replace(vqa, answers=benchmark_files.dump(tmp_path / "b.json", answers[5:] + answers[:5]))
    assert values(score("vqav2", shuffled)) == values(score("vqav2", vqa))


BAD = {
    "null": ([{"question_id": 100, "answer": None}], "The answer to 100 is null, not text"),
    "nan": ('[{"question_id": 100, "answer": NaN}]', "The answer to 100 is NaN, not text"),
    "number": ([{"question_id": 100, "answer": 3}], "The answer to 100 is a number, not text"),
    "list": ([{"question_id": 100, "answer": ["a"]}], "is a list, not text"),
    "twice": (
        [{"question_id": 100, "answer": "a"}, {"question_id": "100", "answer": "b"}],
        "twice, with two answers",
    ),
    "twice in an object": ('{"100": "a", "100": "b"}', "The id 100 stands in the answer file twice"),
    "no id": ([{"question": 1, "answer": "a"}], "Row 1 has no id: it has question, answer"),
    "no answer": ([{"question_id": 1, "reply": "a"}], "Row 1 has no answer"),
    "other ids": ([{"question_id": 5, "answer": "a"}], "None of the 1 answer has an id of the benchmark"),
    "huge": ([{"question_id": 100, "answer": "x" * (MAX_CHARACTERS + 1)}], "has 100,001 characters"),
    "not objects": ([1, 2], "Row 1 is not a JSON object"),
    "malformed": ('[{"question_id": 1,]', "Malformed JSON: .* line 1, column"),
    "malformed line": ('{"question_id": 1, "answer": "a"}\n{"question_id"\n', "line 2"),
    "empty": ("", "The file is empty"),
    "text": ("yes\nno\n", "neither JSON nor a table"),
    "nested": ("[" * 100_000, "nested too deeply|Malformed"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_answer_file_is_one_clear_sentence_and_status_2(kind, vqa, tmp_path, capsys):
    content, said = BAD[kind]
    path = tmp_path / "bad.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    words = ["score", "vqav2", "--predictions", str(path), "--annotations", str(vqa.annotations)]
    assert main(words) == 2
    told = capsys.readouterr()
    assert not told.out and told.err.count("\n") == 1 and len(told.err) < 700
    with pytest.raises(UserError, match=said):
        score("vqav2", replace(vqa, answers=path))


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_nan_in_a_cell_is_no_answer_and_an_empty_cell_is_an_empty_one(suffix, tmp_path):
    """A table has no other way to write an empty reply; nan is what pandas makes of a missing one."""
    path, rows = tmp_path / f"answers{suffix}", [["index", "prediction"], ["1", "A"], ["2", ""]]

    def write(rows):
        if suffix == ".csv":
            path.write_text("".join(",".join(row) + "\n" for row in rows))
            return
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)

    write(rows)
    assert read_answers(path, ("index",), ("prediction",)) == {"1": "A", "2": ""}
    write([*rows, ["7", "nan"]])
    with pytest.raises(UserError, match="The answer to 7 is NaN, not text"):
        read_answers(path, ("index",), ("prediction",))


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings_are_named(encoding, vqa, tmp_path):
    path = tmp_path / "other.json"
    path.write_bytes('[{"question_id": 100, "answer": "café"}]'.encode(encoding))
    with pytest.raises(UserError, match="not UTF-8"):
        score("vqav2", replace(vqa, answers=path))


def test_answers_too_many_are_refused_or_ignored(vqa, tmp_path):
    answers = [*json.loads(vqa.answers.read_text()), {"question_id": 7, "answer": "x"}]
    more = replace(vqa, answers=benchmark_files.dump(tmp_path / "more.json", answers))
    with pytest.raises(UserError, match=r"1 answer is to items that the benchmark does not have: 7"):
        score("vqav2", more)
    assert score("vqav2", more, extra="ignore")["extra"] == 1


def test_pope_answers_without_ids_must_answer_what_their_line_asks(tmp_path):
    files = benchmark_files.write("pope", tmp_path)
    answers = [json.loads(line) for line in files.answers.read_text().splitlines()]
    benchmark_files.rows(files.answers, answers[::-1])
    with pytest.raises(UserError, match=r"Row 1 answers .* but the label file asks"):
        score("pope", files)
    benchmark_files.rows(files.answers, answers[:5])
    with pytest.raises(UserError, match="5 rows without ids, but the benchmark has 24 questions"):
        score("pope", files)
    benchmark_files.rows(files.answers, [row | {"question_id": n} for n, row in enumerate(answers)][::-1])
    assert values(score("pope", files))["accuracy"] == 1.0


def test_a_runs_own_predictions_are_read_without_the_blind_ones(tmp_path):
    rows = [
        {"task": "pope_random", "id": "1", "blind": False, "prediction": "yes"},
        {"task": "pope_random", "id": "1", "blind": True, "prediction": "no"},
        {"task": "vqav2", "id": "1", "blind": False, "prediction": "Red.", "submitted": "red"},
        {"task": "vqav2", "id": "2", "blind": False, "error": "no such image"},
    ]
    path = benchmark_files.rows(tmp_path / "predictions.jsonl", rows)
    for task, said in (("pope_random", "yes"), ("vqav2", "red")):
        assert read_answers(path, ("question_id", "id"), ("answer", "prediction"), task) == {"1": said}


def test_a_table_that_is_no_excel_file_is_refused(tmp_path):
    files = benchmark_files.write("mmbench", tmp_path)
    files.answers.write_text("index,prediction\n")
    with pytest.raises(UserError, match="no Excel file"):
        score("mmbench", files)


def test_a_table_holds_line_breaks_quotes_and_other_marks_as_they_are(tmp_path):
    said = {"1": 'a\nb "c" \u2028 d', "2": "\x0b e\x0c", "3": ""}
    path = tmp_path / "answers.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "answer"], *said.items()])
    assert read_answers(path, ("id",), ("answer",)) == said
