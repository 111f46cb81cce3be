"""The registry, the format's detection, and the report of problems."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.problems import Problem, Problems, stop_at_first
from data_builders.readers import READERS, detect, read_annotations
from data_builders.readers.fields import RowError, box_of, id_of, text_of
from data_builders.readers.places import Places, key_of
from data_builders.readers.streaming import stream_items
from mmtune.errors import UserError


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("x.json", {"questions": [{"question_id": 1}]}, "an object with the keys questions"),
        ("x.json", [{"question_id": 1, "answer": "yes"}], "rows with the keys question_id, answer"),
        ("x.txt", "hello there\n", "begins with 'hello there'"),
        ("x.json", [], "nothing that is known"),
        ("x.bin", b"\x00\x01\x02", "nothing that is known"),
        ("folder/readme.md", "hello", "a folder with readme.md"),
    ],
)
def test_an_unknown_format_is_told_with_what_was_seen(put, name, content, what) -> None:
    path = put(name, content)
    with pytest.raises(UserError) as caught:
        detect([path.parent if "/" in name else path])
    assert what in str(caught.value) and "visual_genome" in str(caught.value)


def test_different_formats_and_none_at_all_are_refused(put, tmp_path) -> None:
    one = put("a.jsonl", [{"image": "a.jpg", "caption": "a"}])
    two = put("b.json", [{"id": 1, "conversations": []}])
    with pytest.raises(UserError, match="different formats"):
        detect([one, two])
    with pytest.raises(UserError, match="no annotations"):
        detect([])
    for settings_ in ({"images": tmp_path / "gone"}, {"reader": "coca"}, {"merge_iou": 1}):
        with pytest.raises(UserError):
            read_annotations([one], **settings_)
    with pytest.raises(UserError, match="do not exist"):
        read_annotations([tmp_path / "gone"])


def test_large_files_are_not_read_for_their_format(tmp_path) -> None:
    path = tmp_path / "x.json"
    with path.open("w") as file:
        file.write('{"info": {}, "images": [{"id": 1, "file_name": "a.jpg"}')
        file.write(', {"id": 2, "file_name": "b.jpg"}' * 200_000 + "], oops")
    assert detect([path]) == "coco"


def test_every_reader_says_what_it_reads() -> None:
    assert len(READERS) == 10
    for name, reader in READERS.items():
        assert name.replace("_", "").isalnum() and 5 < len(reader.reads) < 60


def test_unless_told_otherwise_the_first_problem_ends_the_reading(put) -> None:
    path = put("a.jsonl", [{"image": "a.jpg", "caption": "a"}, {"image": "b.jpg", "caption": ""}])
    scenes = read_annotations([path])
    with pytest.raises(UserError, match=r"empty \(.*a\.jsonl, line 2\)"):
        list(scenes)


def test_problems_are_counted_shown_and_written_down(tmp_path) -> None:
    with Problems(tmp_path / "deep/problems.jsonl", keep=2) as problems:
        assert problems.summary() == "" and len(problems) == 0
        for index in range(5):
            problems(Problem(f"row {index}", f"reason {index} \ud800", "x.json"))
    assert len(problems) == 5 and len(problems.first) == 2
    assert problems.summary().startswith("5 left out: x.json, row 0: reason 0")
    rows = [json.loads(line) for line in (tmp_path / "deep/problems.jsonl").read_text().splitlines()]
    assert [row["row"] for row in rows] == [f"row {index}" for index in range(5)]
    with pytest.raises(UserError, match="row 1"):
        stop_at_first(Problem("row 1", "bad"))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="written down"):
        Problems(tmp_path / "file/problems.jsonl")(Problem("row", "bad"))


_number = st.integers(-20, 120) | st.floats(-20, 120, allow_nan=False)
_anything = _number | st.sampled_from((float("nan"), float("inf"), None, "5", True))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.lists(_number, min_size=4, max_size=4) | st.lists(_anything, max_size=5),
    st.sampled_from(("xyxy", "xywh")),
)
def test_a_box_is_inside_its_image_or_refused(values, layout) -> None:
    size = (100, 80)
    try:
        (x0, y0, x1, y1), clipped = box_of(values, layout, size)
    except RowError:
        plain = len(values) == 4 and all(type(v) in (int, float) and abs(v) < 1e9 for v in values)
        if plain:
            right, bottom = values[2:] if layout == "xyxy" else (values[0] + values[2], values[1] + values[3])
            outside = values[0] >= 100 or values[1] >= 80 or right <= 0 or bottom <= 0
            assert outside or right <= values[0] or bottom <= values[1]
        return
    assert 0 <= x0 < x1 <= 100 and 0 <= y0 < y1 <= 80
    given_box = (
        values if layout == "xyxy" else [values[0], values[1], values[0] + values[2], values[1] + values[3]]
    )
    moved = max(abs(a - b) for a, b in zip(given_box, (x0, y0, x1, y1), strict=True))
    assert clipped == (moved > 1)
    assert (x0 + x1) / 2 >= 0 and box_of(values, layout, (0, 0))[0] == pytest.approx(tuple(given_box))


def test_ids_and_texts() -> None:
    assert id_of({"id": 7}, "id") == "7" and id_of({"image_id": 7.0}, "id", "image_id") == "7"
    for value in (None, True, "", [], 7.5):
        with pytest.raises(RowError):
            id_of({"id": value}, "id")
    assert text_of(" a\n b ", "caption") == "a b"
    assert key_of(42) == key_of("42") != key_of("042")
    assert key_of("a") != key_of("b") and key_of(1 << 70) == key_of(str(1 << 70))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=30))
def test_scattered_rows_come_together_by_image(tmp_path_factory, pairs) -> None:
    path = tmp_path_factory.getbasetemp() / "places.json"
    path.write_text(json.dumps([{"image": image, "id": own} for image, own in pairs]))
    listed = tmp_path_factory.getbasetemp() / "images.json"
    listed.write_text(json.dumps([{"image": image} for image in (0, 1, 2, 3)]))
    with Places([path, listed]) as rows, Places([path, listed]) as images:
        for item in stream_items(path):
            rows.add(0, item.value["image"], item.value["id"], item)
        for item in stream_items(listed):
            images.add(1, item.value["image"], item.value["image"], item)
        kept: dict[int, int] = {}
        again = []
        for image, own in pairs:
            if own in kept:
                again.append(own)
            kept.setdefault(own, image)
        assert [row.value["id"] for row in rows.duplicates()] == again
        assert [row.value["id"] for row in rows.strangers(images)] == [
            own for own, image in kept.items() if image > 3
        ]
        expected = [(image, own) for own, image in kept.items() if image <= 3]
        assert list(rows.images()) == list(dict.fromkeys(image for image, _ in expected))
        for image in range(6):
            found = [row.value["id"] for row in rows.rows(image)]
            assert found == [own for place, own in expected if place == image]


def test_a_file_that_changes_underneath_is_noticed(tmp_path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"id": 1}, {"id": 2}]))
    with Places([path]) as rows:
        for item in stream_items(path):
            rows.add(0, item.value["id"], None, item)
        path.write_text("")
        with pytest.raises(UserError, match="changed"):
            list(rows.rows(2))
