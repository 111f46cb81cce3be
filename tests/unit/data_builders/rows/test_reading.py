"""Rows one at a time: what JSON says, in bounded memory, with a reason for each row that is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.problems import Problem, problem_of
from data_builders.rows import Row, RowWriter, iter_blocks, iter_rows, scanner
from mmtune.errors import RecordError, UserError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
SPACES = st.sampled_from(["", " ", "\n", "\r\n\t"])


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(VALUES, min_size=1, max_size=6), st.integers(1, 40), SPACES, st.booleans())
def test_a_list_reads_as_json_reads_it_whatever_the_window(
    tmp_path_factory, values, chunk, space, ascii_only
):
    path = tmp_path_factory.mktemp("list") / "rows.json"
    items = f",{space}".join(json.dumps(value, ensure_ascii=ascii_only) for value in values)
    path.write_bytes(f"{space}[{space}{items}{space}]{space}".encode("utf-8", "surrogatepass"))
    before = scanner.CHUNK
    scanner.CHUNK = chunk
    try:
        found = list(iter_rows(path))
    finally:
        scanner.CHUNK = before
    assert [row.number for row in found] == list(range(len(values)))
    assert [json.loads(row.text.decode("utf-8", "surrogatepass")) for row in found] == values


@pytest.mark.parametrize("text", ['[{"a": 1}]', '{"a": 1}'])
def test_a_file_that_begins_with_pages_of_blanks_is_not_empty(tmp_path, text):
    (tmp_path / "rows").write_text(" " * 9000 + "\n" + text)
    assert [row.value() for row in iter_rows(tmp_path / "rows")] == [{"a": 1}]
    (tmp_path / "rows").write_text(" " * 9000)
    with pytest.raises(UserError, match="empty"):
        list(iter_rows(tmp_path / "rows"))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), min_size=1, max_size=6))
def test_lines_come_back_as_they_were_written(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("lines")
    with RowWriter(folder / "a.jsonl") as out:
        for value in values:
            out.write({**value, "half": "\ud800"})
    first = (folder / "a.jsonl").read_bytes()
    for name in ("b.jsonl", "c.json"):
        with RowWriter(folder / name) as out:
            for row in iter_rows(folder / "a.jsonl"):
                out.write(row)
    assert (folder / "b.jsonl").read_bytes() == first
    assert json.loads((folder / "c.json").read_text()) == [json.loads(line) for line in first.splitlines()]


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        ('[{"a": 1},\n {"a": tru}]', 2, 8),
        ('[{"a": 1}\n {"a": 2}]', 2, 2),
        ('[{"a": 1}] x', 1, 12),
        ('[{"a": 1},', 1, 11),
        ('[{"a": "unfinished', 1, 8),
    ],
)
@pytest.mark.parametrize("chunk", [3, 2**20])
def test_a_malformed_list_stops_with_line_and_column(tmp_path, monkeypatch, content, line, column, chunk):
    monkeypatch.setattr(scanner, "CHUNK", chunk)
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(UserError, match=f"line {line}, column {column}"):
        list(iter_rows(path))


def test_a_line_that_is_too_long_is_skipped_without_being_kept(tmp_path):
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(b'{"id": 1}\n{"id": "' + b"x" * 5000 + b'"}\n\n{"id": 3}\n{"id": "' + b"y" * 3000)
    found = list(iter_rows(path, max_row_bytes=1000))
    assert [row.text for row in found] == [b'{"id": 1}', b"", b'{"id": 3}', b""]
    assert "5,010 bytes, more than the 1,000 allowed" in str(found[1].reason)
    with pytest.raises(RecordError, match="allowed"):
        found[3].value()


@pytest.mark.parametrize(
    ("text", "reason", "record_id"),
    [
        (b'{"id": "a", "x": "\xff"}', "not UTF-8 (line 1, column 19)", "a"),
        (b'{"id": 7, "x": }', "malformed JSON: Expecting value (line 1, column 16)", "7"),
        (b'{"id": "b", "x": NaN}', "NaN is not a JSON number", "b"),
        (b"[" * 100_000, "JSON", "?"),
    ],
)
def test_what_is_wrong_with_a_row(text, reason, record_id):
    row = Row(4, text)
    with pytest.raises(RecordError) as raised:
        row.value()
    problem = problem_of(raised.value, 4)
    assert isinstance(problem, Problem)
    assert (problem.row, problem.id) == (4, record_id)
    assert reason in problem.reason


def test_blocks_are_bounded_in_rows_and_in_bytes(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"id": "x" * 100, "n": n}) + "\n" for n in range(10)))
    assert [len(block) for block in iter_blocks(path, 4)] == [4, 4, 2]
    assert [len(block) for block in iter_blocks(path, 4, max_row_bytes=130)] == [2] * 5


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'\n  {"id": 1, "x"}\n{"id": 2}', "line 2, column 16"),
        (b'[{"id": 2},\n\n  {"id": 1,\n "x": "\xff"}]', "line 4, column 8"),
        (b'[{"id": 2}, {"x": "\xff"}]', "line 1, column 20"),
    ],
)
@pytest.mark.parametrize("chunk", [4, 2**20])
def test_a_bad_row_is_told_with_its_place_in_the_file(tmp_path, monkeypatch, content, place, chunk):
    monkeypatch.setattr(scanner, "CHUNK", chunk)
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    told = []
    for row in iter_rows(path):
        try:
            row.value()
        except RecordError as error:
            told.append(error.reason)
    assert len(told) == 1 and place in told[0]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"[]", b"\xef\xbb\xbf", b"3", b"hello\nworld"])
def test_nothing_is_not_a_success(tmp_path, content):
    path = tmp_path / "empty.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError):
        list(iter_rows(path))


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("before\n")
    out = RowWriter(path).__enter__()
    out.write({"a": 1})
    out.__exit__(RuntimeError, RuntimeError(), None)
    assert path.read_text() == "before\n"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UserError, match=r"\.json or \.jsonl"):
        RowWriter(Path("x.csv"))
