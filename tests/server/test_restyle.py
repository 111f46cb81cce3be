"""Answers in a model's own words: kept where they say the same, left alone where not, with their parent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data_builders.curate.restyle import restyle, steps
from data_builders.licences import licence_class
from data_builders.teachers.base import Reply, Settings
from data_builders.teachers.opening import Hiring
from mmtune.records import Record, Turn, iter_llava, parse_llava
from tests.commands import run
from tests.endpoints import Server, serve


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    with (tmp_path / "rows.jsonl").open("w") as out:
        for number in range(4):
            said = ["<image>\nWhat is it?", f"Thing {number}.", "Which colour?", "It is red."]
            turns = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(said)]
            row = {"id": f"r{number}", "image": "a.png", "conversations": turns, "licence": "CC-BY-4.0"}
            out.write(json.dumps(row) + "\n")
        out.write('{"id": "broken"}\n')
    return tmp_path / "rows.jsonl"


def answer(body: dict[str, Any]) -> str:
    """Rewrites both answers of a row; finds the first one of row 2 changed, and never answers for row 3."""
    text = str(body["messages"][-1]["content"])
    row = int(text.split("Thing ")[1][0])
    if "Second version" in text:
        return json.dumps({"same": [row != 2, True]})
    return "no JSON" if row == 3 else json.dumps({"answers": [f"One sees thing {row}.", "Red, that is."]})


def test_answers_are_rewritten_where_they_say_the_same(rows: Path) -> None:
    out = rows.parent / "out"
    with serve(Server(write=answer)) as server:
        report, problems = restyle(rows, out, Hiring(server.url, "m"))
        asked = len(server.bodies)
        restyle(rows, out, Hiring(server.url, "m"))
    records = [record for _, record in iter_llava(out / "records.jsonl")]
    assert [record.id for record in records] == ["r0-restyled", "r1-restyled", "r2-restyled"]
    assert [turn.text for turn in records[1].turns[1::2]] == ["One sees thing 1.", "Red, that is."]
    assert [turn.text for turn in records[2].turns[1::2]] == ["Thing 2.", "Red, that is."]
    assert records[2].turns[0].text == "<image>\nWhat is it?"
    assert records[2].meta["parents"] == [{"id": "r2", "licence": "CC-BY-4.0"}]
    assert records[2].meta["restyled"] == [False, True]
    assert records[2].meta["restyled_by"]["model"] == "m"
    (rejected,) = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    assert rejected["unit"] == "r2" and "Thing 2. -> One sees thing 2." in rejected["text"]
    assert [failure["unit"] for failure in report.failures] == ["row 3, record r3"]
    assert [problem.id for problem in problems] == ["broken"]
    assert len(server.bodies) == asked + 2, "only the row that failed is asked about again, twice"


def test_licences_of_grandparents_still_bind() -> None:
    turns = (Turn("user", "What?"), Turn("assistant", "It."))
    meta = {"licence": "MIT", "parents": [{"id": "old", "licence": "CC BY-NC 4.0"}]}
    for stated, bound in (
        (meta, "non-commercial"),
        ({"license": "MIT"}, "permissive"),
        ({}, "unknown"),
    ):
        asked = steps(Record("r", turns, (), stated), Settings(), {"model": "m"})
        next(asked)
        asked.send([Reply("1", '{"answers": ["That."]}')])
        with pytest.raises(StopIteration) as stopped:
            asked.send([Reply("2", '{"same": [true]}')])
        assert licence_class(parse_llava(stopped.value.value.rows[0], 0).meta) == bound


def test_the_command_says_what_came_out(rows: Path) -> None:
    told = run(["data", "restyle", "rows.jsonl", "--teacher", "rules", "--out", "out"], rows.parent)
    assert "4 records, 0 answers stay" in told and "row 4, record 'broken'" in told
