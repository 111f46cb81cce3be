"""Large JSON in small memory: the same values as the standard decoder, at the places that are told."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.readers import lines
from data_builders.readers.lines import stream_json_lines, stream_lines
from data_builders.readers.streaming import stream_items
from data_builders.rows import scanner
from mmtune.errors import UserError

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(_values, max_size=6) | st.dictionaries(st.text(max_size=5), _values, max_size=5),
    st.booleans(),
    st.sampled_from((None, 1)),
    st.integers(1, 40),
    st.booleans(),
)
def test_items_are_those_of_the_file(tmp_path_factory, value, as_ascii, indent, chunk, mark) -> None:
    content = json.dumps(value, ensure_ascii=as_ascii, indent=indent).encode("utf-8", "replace")
    content = (b"\xef\xbb\xbf" if mark else b"") + content
    value = json.loads(content.removeprefix(b"\xef\xbb\xbf"))
    path = tmp_path_factory.getbasetemp() / "streamed.json"
    path.write_bytes(content)
    before, scanner.CHUNK = scanner.CHUNK, chunk  # Every value is cut somewhere.
    try:
        items = list(stream_items(path))
    finally:
        scanner.CHUNK = before
    again: object
    if isinstance(value, list):
        again = [item.value for item in items]
        assert [item.index for item in items] == list(range(len(value)))
    else:
        again = {key: [] for key, inner in value.items() if inner == []}
        for item in items:
            if item.index >= 0:
                again.setdefault(item.key, []).append(item.value)
            else:
                again[item.key] = item.value
    assert again == value
    for item in items:
        assert json.loads(content[item.start : item.start + item.length]) == item.value


def test_nan_is_a_value_and_not_the_end_of_the_file(put) -> None:
    path = put("x.json", '[{"b": [NaN, 1]}, -Infinity, {"c": 2}]')
    values = [item.value for item in stream_items(path)]
    assert values[0]["b"][0] != values[0]["b"][0] and values[1] == float("-inf") and values[2] == {"c": 2}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "empty"),
        ("  \n ", "empty"),
        ("5", "a list or an object"),
        ("[1, 2", "cut short"),
        ("[1, 2,", "cut short"),
        ('{"a": [1, {"b": "c', "cut short"),
        ('{"a": 1', "cut short"),
        ('{"a"', "cut short"),
        ("[1, oops, 3]" + " " * 50, "line 1, column 5"),
        ('[1,\n 2,\n {"a": }' + " " * 50 + "]", "line 3, column 8"),
        ("[1 2]", "line 1, column 4"),
        ("{a: 1}", "a key was expected"),
        ('{"a" 1}', "':' was expected"),
        ("[1] [2]", "more after the end"),
        ("[" * 200_000, "nested"),
        ("[" + "9" * 5000 + "]", "malformed"),
        (b"\xff\xfe[\x001\x00]\x00", "a list or an object"),
    ],
)
def test_damage_is_told_with_its_place(put, content, what) -> None:
    with pytest.raises(UserError) as caught:
        list(stream_items(put("x.json", content)))
    assert what in str(caught.value), str(caught.value)


def test_what_stands_before_the_damage_is_read(put) -> None:
    items = stream_items(put("x.json", "[1, 2, {]"))
    assert [next(items).value, next(items).value] == [1, 2]
    with pytest.raises(UserError):
        next(items)


def test_a_large_file_on_one_line_takes_little_memory(tmp_path) -> None:
    path = tmp_path / "x.json"
    row = json.dumps({"id": 1, "caption": "word " * 200})
    with path.open("w") as file:
        file.write('{"annotations": [' + row + (", " + row) * 30_000 + "]}")
    tracemalloc.start()
    count = sum(1 for _ in stream_items(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 30_001 and path.stat().st_size > 29_000_000 and peak < 10 << 20


def test_an_item_beyond_the_limit_stops_the_reading(put, monkeypatch) -> None:
    monkeypatch.setattr(scanner, "MAX_ITEM", 2 << 20)
    path = put("x.json", '["' + "a" * (9 << 20) + '"]')
    with pytest.raises(UserError, match="more than the 2,097,152 bytes"):
        list(stream_items(path))


def test_a_line_of_100_megabytes_is_one_bad_row(tmp_path) -> None:
    path = tmp_path / "x.jsonl"
    with path.open("wb") as file:
        file.write(b'{"a": 1}\n')
        file.write(b'{"a": "')
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n{"a": 3}\n')
    problems = []
    tracemalloc.start()
    rows = [row for _, row in stream_json_lines(path, problems.append)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == [{"a": 1}, {"a": 3}] and peak < 2 * lines.MAX_ITEM + (8 << 20)
    assert [problem.row for problem in problems] == ["line 2"]
    assert "104,857,609 bytes" in problems[0].reason


def test_lines_that_cannot_be_used(put) -> None:
    content = b'\xef\xbb\xbf{"a": 1}\r\n\n{"a": \xff}\n[1]\n{"a": \n{"b": 2}'
    problems = []
    rows = list(stream_json_lines(put("x.jsonl", content), problems.append))
    assert rows == [("line 1", {"a": 1}), ("line 6", {"b": 2})]
    assert [problem.row for problem in problems] == ["line 3", "line 4", "line 5"]
    assert "UTF-8" in problems[0].reason and "list" in problems[1].reason


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.text(max_size=12), max_size=6), st.integers(1, 20))
def test_short_lines_pass_and_long_ones_are_counted(tmp_path_factory, texts, longest) -> None:
    texts = ["".join(text.split()).replace("\x1c", "") for text in texts]
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes("".join(f"{text}\n" for text in texts).encode("utf-8", "replace"))
    expected = [text.encode("utf-8", "replace") for text in texts]
    problems = []
    found = dict(stream_lines(path, problems.append, longest=longest))
    kept = {i: text for i, text in enumerate(expected, start=1) if text.strip() and len(text) <= longest}
    assert {number: text.encode() for number, text in found.items()} == kept
    assert len(problems) == sum(len(text) > longest for text in expected)


def test_a_missing_file_is_a_users_mistake(tmp_path) -> None:
    for read in (lambda path: list(stream_items(path)), lambda path: list(stream_lines(path, print))):
        with pytest.raises(UserError, match="cannot be read"):
            read(tmp_path / "nowhere.json")
