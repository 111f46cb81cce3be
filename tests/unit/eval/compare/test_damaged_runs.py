"""Runs that cannot be compared, each in another way, are refused in one sentence."""

from __future__ import annotations

import json

import pytest

from mmtune import cli
from tests.stored_runs import PLAIN, right_or_wrong, write_run, yes_no


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
