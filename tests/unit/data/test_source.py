"""Sources: the same records as reading the file whole, one at a time and from any process."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.data.config import DataConfig, SourceConfig
from mmtune.data.source import JsonSource, Subset, open_sources
from mmtune.data.splits import open_splits, split_by_id
from mmtune.errors import RecordError, UserError
from mmtune.records import iter_llava

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(st.none() | st.integers() | TEXT, lambda c: st.lists(c, max_size=3), max_leaves=5)


def _open(path: Path) -> JsonSource:
    return JsonSource(SourceConfig(str(path)))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    values=st.lists(st.dictionaries(TEXT, JSON, max_size=3), min_size=1, max_size=6),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 2]),
    bom=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_both_formats_give_back_every_row(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[Any],
    ascii_only: bool,
    indent: int | None,
    bom: bool,
    newline: str,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    mark = "\ufeff" if bom else ""
    listed = mark + newline + json.dumps(values, ensure_ascii=ascii_only, indent=indent) + newline
    lines = mark + "".join(json.dumps(v, ensure_ascii=ascii_only) + newline for v in values)
    for name, text in (("any.jsonl", listed), ("any.json", lines)):
        (folder / name).write_bytes(text.encode())
        source = _open(folder / name)
        assert [source.raw(i) for i in reversed(range(len(source)))] == values[::-1]


def test_records_are_those_of_reading_the_file_in_order(
    row: Callable[..., dict], write_source: Callable[..., Path]
) -> None:
    rows = [row(i, images=i % 3) for i in range(9)]
    rows[4]["conversations"][0]["value"] = "Grüße, 世界"
    for name in ("a.json", "a.jsonl"):
        source = pickle.loads(pickle.dumps(_open(write_source(rows, name))))
        read = [source.record(i) if i != 4 else None for i in range(9)]
        assert read == [r if not isinstance(r, RecordError) else None for _, r in iter_llava(source.path)]
        with pytest.raises(RecordError, match="0 <image>, the record has 1"):
            source.record(4)
        assert source.record_id(4) == "r4"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"id": 1},\n {"id": }]', "line 2, column 9"),
        ('[{"ä": "ö"} {"id": 2}]', "line 1, column 13"),
        ('[{"id": 1}', "line 1, column 11"),
        ('[{"id": 1}] x', "line 1, column 13"),
        ("", "empty"),
        ("  \n", "empty"),
        ("[]", "no records"),
        ('"text"', "not a JSON list"),
        ("<html>", "line 1, column 1"),
    ],
)
def test_a_malformed_file_is_refused_with_its_place(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message) as caught:
        _open(path)
    assert str(path) in str(caught.value)


def test_a_malformed_line_costs_only_itself(tmp_path: Path, row: Callable[..., dict]) -> None:
    good = json.dumps(row(0, images=0))
    (tmp_path / "a.jsonl").write_bytes(
        b"\n".join([good.encode(), b"", b'{"id": 1,, }', b'{"id": "\xff"}', good.encode()])
    )
    source = _open(tmp_path / "a.jsonl")
    assert len(source) == 4 and source.record(3) == source.record(0)
    with pytest.raises(RecordError, match=r"line 3, column 10"):
        source.record(1)
    with pytest.raises(RecordError, match="UTF-8"):
        source.record(2)
    assert source.record_id(1) == "?"


def test_missing_files_and_folders_are_named(tmp_path: Path, write_source: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=r"none\.json"):
        _open(tmp_path / "none.json")
    path = write_source([{"id": "a"}])
    with pytest.raises(UserError, match="image root does not exist"):
        JsonSource(SourceConfig(str(path), image_root=str(tmp_path / "pictures")))
    with pytest.raises(UserError, match=r"data\.train"):
        open_sources([], "data.train")


def test_the_fingerprint_follows_the_content(write_source: Callable[..., Path], row: Callable) -> None:
    first = _open(write_source([row(0), row(1)], "a.jsonl")).fingerprint
    assert first == _open(write_source([row(0), row(1)], "b.jsonl")).fingerprint
    changed = _open(write_source([row(0), row(2)], "a.jsonl"))
    assert first != changed.fingerprint != Subset(changed, [0]).fingerprint


def test_the_split_is_by_id_and_does_not_move(write_source: Callable[..., Path], row: Callable) -> None:
    rows = [row(i, images=0) for i in range(300)]
    kept, held = split_by_id(_open(write_source(rows)), 0.2)
    assert len(kept) + len(held) == 300 and 30 < len(held) < 90
    ids = {held.record(i).id for i in range(len(held))}
    assert all(held.record_id(i) == f"r{held.row(i)}" for i in range(len(held)))
    _, later = split_by_id(_open(write_source(rows[::-1] + [row(i, images=0) for i in range(300, 400)])), 0.2)
    assert {i for i in (later.record(k).id for k in range(len(later))) if int(i[1:]) < 300} == ids


def test_records_without_an_id_are_split_by_their_row(
    write_source: Callable[..., Path], row: Callable
) -> None:
    rows = [{k: v for k, v in row(i, images=0).items() if k != "id"} for i in range(100)]
    kept, held = split_by_id(_open(write_source(rows)), 0.3)
    assert len(kept) > 0 and len(held) > 0


def test_open_splits(write_source: Callable[..., Path], row: Callable) -> None:
    train = SourceConfig(str(write_source([row(i, images=0) for i in range(60)], "t.jsonl")))
    other = SourceConfig(str(write_source([row(i, images=0) for i in range(5)], "v.jsonl")))
    assert [[len(s) for s in part] for part in open_splits(DataConfig([train]))] == [[60], []]
    assert [[len(s) for s in part] for part in open_splits(DataConfig([train], [other]))] == [[60], [5]]
    kept, held = open_splits(DataConfig([train], validation_fraction=0.2))
    assert len(kept[0]) + len(held[0]) == 60
    kept, held = open_splits(DataConfig([other], validation_fraction=0.000001))  # too few: one is held out
    assert (len(kept[0]), len(held[0])) == (4, 1)
    alone = SourceConfig(str(write_source([row(0, images=0)], "alone.jsonl")))
    with pytest.raises(UserError, match="leaves a part without records"):
        open_splits(DataConfig([alone], validation_fraction=0.01))


def test_a_file_that_changes_in_mid_run_is_never_cut_at_the_old_places(tmp_path: Path) -> None:
    def line(number: int, answer: str) -> str:
        turns = [{"from": "human", "value": "?"}, {"from": "gpt", "value": answer}]
        return json.dumps({"id": f"r{number}", "conversations": turns}) + "\n"

    path = tmp_path / "records.jsonl"
    path.write_text(line(0, "yes") + line(1, "no."))
    source = JsonSource(SourceConfig(str(path)))
    os.utime(path, (1, 1))
    assert source.record(1).turns[-1].text == "no.", "a new time alone changes nothing"
    path.write_text(line(0, "yes") + line(1, "yes"))
    with pytest.raises(UserError, match="was changed while it was in use"):
        source.record(1)
    path.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        source.record(1)


def test_lines_are_found_without_the_file_in_memory(tmp_path: Path) -> None:
    line = json.dumps({"id": "x", "conversations": [{"from": "human", "value": "q" * 1000}]})
    (tmp_path / "rows.jsonl").write_text("\n \n\n" + f"{line}\n" * 20_000)
    tracemalloc.start()
    source = JsonSource(SourceConfig(str(tmp_path / "rows.jsonl")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(source) == 20_000
    assert peak < 4_000_000, "the file has 21 MB"
    assert source.raw(19_999) == json.loads(line)
    assert source.fingerprint == hashlib.sha256((tmp_path / "rows.jsonl").read_bytes()).hexdigest()
