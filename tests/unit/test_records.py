"""Records: what is refused and why, and LLaVA JSON in and out without loss."""

from __future__ import annotations

import json
import pickle
import resource
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.errors import RecordError, UserError
from mmtune.records import (
    ImageRef,
    Preference,
    Record,
    Turn,
    iter_llava,
    iter_rows,
    move_images_to_front,
    parse_llava,
    to_llava,
    write_llava,
)


def row(*texts: str, **keys: Any) -> dict[str, Any]:
    """A LLaVA row whose turns come from human and gpt in turn."""
    turns = [{"from": "gpt" if n % 2 else "human", "value": text} for n, text in enumerate(texts)]
    return {"id": "r", "conversations": turns, **keys}


def turn(sender: str, value: str) -> dict[str, str]:
    return {"from": sender, "value": value}


def test_a_row_becomes_a_record() -> None:
    record = parse_llava(row("<image>\nWhat?", "A cat.", image="coco/1.jpg", licence="CC-BY"), 3)
    assert record == Record(
        "r",
        (Turn("user", "<image>\nWhat?"), Turn("assistant", "A cat.")),
        (ImageRef("coco/1.jpg"),),
        {"licence": "CC-BY"},
    )


@pytest.mark.parametrize("image", [None, []])
def test_no_image_is_a_text_record(image: Any) -> None:
    assert parse_llava(row("Hi", "Hello", image=image), 0).images == ()


def test_several_images_come_as_a_list() -> None:
    record = parse_llava(row("<image> or <image>?", "The first.", image=["a.jpg", "b.jpg"]), 0)
    assert record.images == (ImageRef("a.jpg"), ImageRef("b.jpg"))


@pytest.mark.parametrize(("given_id", "read"), [(17, "17"), ("x", "x"), (None, "5"), (True, "5"), ([1], "5")])
def test_ids_are_text_and_the_row_names_a_record_without_one(given_id: Any, read: str) -> None:
    assert parse_llava({**row("Hi", "Hello"), "id": given_id}, 5).id == read


def test_all_names_of_the_roles_are_known() -> None:
    conversations = [
        turn("system", "Be brief."),
        turn("user", "Hi"),
        turn("assistant", "Hello"),
        turn("human", "?"),
    ]
    record = parse_llava({"conversations": [*conversations, turn("gpt", "!")]}, 0)
    assert [t.role for t in record.turns] == ["system", "user", "assistant", "user", "assistant"]


@pytest.mark.parametrize("before", [[], [turn("system", "Be brief.")]])
def test_a_leading_answer_is_dropped_and_said_to_be(before: list[dict[str, str]]) -> None:
    conversations = [*before, turn("gpt", "Hello, I am a bot."), turn("human", "Hi"), turn("gpt", "Hello")]
    record = parse_llava({"conversations": conversations}, 0)
    assert [t.text for t in record.turns[-2:]] == ["Hi", "Hello"]
    assert len(record.turns) == len(before) + 2
    assert record.meta["dropped_leading"] is True


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ([1], "list, not an object"),
        ({"id": "r"}, "'conversations' is not a list"),
        ({"id": "r", "conversations": []}, "no turns"),
        ({"id": "r", "conversations": ["Hi"]}, "turn 1 has no text"),
        ({"id": "r", "conversations": [{"from": "human"}]}, "turn 1 has no text"),
        ({"id": "r", "conversations": [turn("bob", "Hi")]}, "turn 1 is from 'bob'"),
        ({"id": "r", "conversations": [turn("human", "Hi"), turn("human", "?")]}, "turn 2 is from the user"),
        (
            {"id": "r", "conversations": [turn("human", "Hi"), turn("system", "?")]},
            "turn 2 is from the system",
        ),
        (
            {"id": "r", "conversations": [turn("system", "?"), turn("human", "a"), turn("human", "b")]},
            "turn 3 is from the user",
        ),
        (row("Hi"), "does not end with an answer"),
        (row("Hi", "Hello", "Bye"), "does not end with an answer"),
        ({"id": "r", "conversations": [turn("system", "?")]}, "does not end with an answer"),
        (row("Hi", ""), "answer is empty"),
        (row("Hi", " \n"), "answer is empty"),
        (row("<image> Hi", "Hello"), "has 1 <image>, the record has 0 image(s)"),
        (row("Hi", "Hello", image="a.jpg"), "has 0 <image>, the record has 1 image(s)"),
        (row("<image>", "See <image>", image="a.jpg"), "text of the assistant holds <image>"),
        (row("Hi", "Hello", image=3), "neither a path nor a list"),
        (row("Hi", "Hello", image=""), "neither a path nor a list"),
        (row("<image>", "Hello", image=[3]), "neither a path nor a list"),
        (row("Hi \ud800", "Hello"), "half of a surrogate pair"),
    ],
)
def test_what_is_refused_says_why_and_where(bad: Any, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        parse_llava(bad, 7)
    assert reason in caught.value.reason
    assert "row 7" in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_a_preference_needs_two_good_and_different_answers() -> None:
    prompt = (Turn("user", "<image> What?"),)
    Preference("p", prompt, "A cat.", "A dog.", (ImageRef("a.jpg"),)).check()
    for chosen, rejected, images in [("A", "A", 1), ("A", " ", 1), ("A", "B", 0)]:
        with pytest.raises(RecordError):
            Preference("p", prompt, chosen, rejected, (ImageRef("a.jpg"),) * images).check()


def test_moving_images_keeps_their_order_and_number() -> None:
    turns = (
        Turn("user", "Look at <image> here"),
        Turn("assistant", "Yes"),
        Turn("user", "<image> or <image>?"),
    )
    record = Record("r", (*turns, Turn("assistant", "First")), (ImageRef("a"), ImageRef("b"), ImageRef("c")))
    moved = move_images_to_front(record)
    assert [t.text for t in moved.turns] == ["<image>\nLook at  here", "Yes", "<image> or <image>?", "First"]
    moved.check()


# -- files ---------------------------------------------------------------------------------------------------------

TEXT = st.text(max_size=30).filter(lambda text: "<image>" not in text)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5)


@st.composite
def records(draw: st.DrawFn) -> Record:
    paths = draw(st.lists(st.text(min_size=1, max_size=8), max_size=3))
    turns = [Turn("system", draw(TEXT))] if draw(st.booleans()) else []
    rounds = draw(st.integers(1, 3))
    for n in range(rounds):
        marks = len(paths) if n == 0 else 0
        turns.append(Turn("user", draw(TEXT) + "".join("<image>" + draw(TEXT) for _ in range(marks))))
        turns.append(Turn("assistant", draw(TEXT) + "x"))
    meta = draw(st.dictionaries(st.text(max_size=5).map("k".__add__), JSON, max_size=3))
    record = Record(draw(st.text(max_size=8)), tuple(turns), tuple(map(ImageRef, paths)), meta)
    record.check()
    return record


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(records(), min_size=1, max_size=4), st.sampled_from([".json", ".jsonl"]))
def test_records_survive_a_file(written: list[Record], suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"data{suffix}"
        assert write_llava(path, iter(written)) == len(written)
        assert list(iter_llava(path)) == list(enumerate(written))
        assert [p.name for p in Path(folder).iterdir()] == [path.name]


def test_bad_records_are_handed_over_with_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps([row("Hi", "Hello"), row("Hi"), row("Hi", "Hello again")]))
    read = [(index, type(item)) for index, item in iter_llava(path)]
    assert read == [(0, Record), (1, RecordError), (2, Record)]
    error = next(item for _, item in iter_llava(path) if isinstance(item, RecordError))
    assert pickle.loads(pickle.dumps(error)).row == 1


def test_the_content_tells_the_format_not_the_name(tmp_path: Path) -> None:
    lines = "\n\n" + "\n".join(json.dumps(row("Hi", f"Hello {n}")) for n in range(3)) + "\n \n"
    (tmp_path / "lines.json").write_text(lines)
    (tmp_path / "list.jsonl").write_bytes(b"\xef\xbb\xbf " + json.dumps([row("Hi", "Hello")] * 2).encode())
    assert [index for index, _ in iter_llava(tmp_path / "lines.json")] == [0, 1, 2]
    assert [index for index, _ in iter_llava(tmp_path / "list.jsonl")] == [0, 1]


@pytest.mark.parametrize(
    ("data", "what", "place"),
    [
        (b"", "empty", "line 1, column 1"),
        (b" \n ", "empty", "line 2"),
        (b'[{"id": 1},\n {"id": }]', "Expecting value", "line 2, column 9"),
        (b'{"id": 1}\n\n{"id": 2,}\n', "Malformed JSON", "line 3"),
        (b'{"id": 1}\n\n{"id": 2,}\n', "Malformed JSON", "row 1"),
        (b'{\n "id": 1\n}', "Malformed JSON", "row 0"),
        (b'[\n "caf\xe9"]', "not UTF-8", "line 2, column 6"),
        (b'{"id": 1}\n{"a": "\xff"}', "not UTF-8", "line 2, column 8, row 1"),
        (b'"text"', "not a JSON list", "data"),
        (b"<html>", "Malformed JSON", "line 1, column 1"),
        (b"[" * 100_000, "cannot be decoded", "line 1"),
        (b"[" + b"9" * 5000 + b"]", "cannot be decoded", "line 1"),
    ],
)
def test_broken_files_are_refused_with_line_and_column(
    tmp_path: Path, data: bytes, what: str, place: str
) -> None:
    path = tmp_path / "data"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        list(iter_rows(path))
    assert what in str(caught.value)
    assert place in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_unreadable_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="Cannot read"):
        list(iter_llava(tmp_path / name))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    good = parse_llava(row("Hi", "Hello"), 0)
    write_llava(path, [good])

    def broken() -> Any:
        yield good
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        write_llava(path, broken())
    assert [item for _, item in iter_llava(path)] == [good]
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_runs_out_of_space_is_said_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    record = parse_llava(row("Hi", "Hello " * 100_000), 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (4096, hard)
    )  # as on a full disk: the kernel refuses to write on
    try:
        with pytest.raises(UserError, match="Cannot write the file"):
            write_llava(path, [record])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_other_suffixes_and_clashing_meta_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="suffix"):
        write_llava(tmp_path / "data.csv", [])
    with pytest.raises(ValueError, match="image"):
        to_llava(Record("r", (Turn("user", "Hi"), Turn("assistant", "Hello")), (), {"image": "a.jpg"}))
