"""Images that benchmarks keep inside their tables are written to files once, whole or not at all."""

from __future__ import annotations

import base64
import io
import threading

import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from eval.image_folders import ready_images
from eval.sharing import Peers
from eval.tasks import TaskConfig, build_tasks
from mmtune.errors import UserError
from mmtune.images.loading import load_image


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mmtune" / "benchmark-images"


def png(shade):
    buffer = io.BytesIO()
    Image.new("L", (2, 2), shade).save(buffer, "PNG")
    return buffer.getvalue()


def coded(shade):
    return base64.b64encode(png(shade)).decode()


def tsv(path, rows):
    path.write_text("\n".join("\t".join(map(str, row)) for row in rows) + "\n", encoding="utf-8")
    return path


def ready(name, path, images=None):
    (task,) = build_tasks([TaskConfig(name, str(path), images)]).values()
    items = task.load()
    ready_images({name: task}, {name: items}, Peers())
    return task, items


def shades(task, items):
    return [[load_image(task.images, name).getpixel((0, 0))[0] for name in item.images] for item in items]


MMBENCH = [
    ["index", "question", "A", "B", "answer", "image"],
    [7, "Which?", "red", "blue", "A", coded(70)],
    [8, "Which?", "red", "blue", "A", "7"],
    [1_000_007, "Which?", "blue", "red", "B", coded(70)],
]


def test_a_tsv_gives_its_images_and_those_of_other_rows(tmp_path, cache):
    task, items = ready("mmbench", tsv(tmp_path / "dev.tsv", MMBENCH))
    assert shades(task, items) == [[70], [70], [70]]
    (folder,) = cache.iterdir()
    assert sorted(file.name for file in folder.iterdir()) == ["7.jpg", "8.jpg"]
    before = (folder / "7.jpg").stat().st_mtime_ns
    again, _ = ready("mmbench", tmp_path / "dev.tsv")
    assert again.images == folder and (folder / "7.jpg").stat().st_mtime_ns == before
    MMBENCH[1][-1], old = coded(90), MMBENCH[1][-1]
    changed, items = ready("mmbench", tsv(tmp_path / "dev.tsv", MMBENCH))
    MMBENCH[1][-1] = old
    assert shades(changed, items) == [[90], [90], [90]], "another table, though at the same path"


def test_a_folder_that_is_given_is_used_as_it_is(tmp_path, cache):
    task, _ = ready("mmbench", tsv(tmp_path / "dev.tsv", MMBENCH), str(tmp_path))
    assert task.images == tmp_path and not cache.exists()
    with pytest.raises(UserError, match="no such image folder"):
        ready("mmbench", tmp_path / "dev.tsv", str(tmp_path / "none"))


@pytest.mark.parametrize("image", ["", "7.jpg"])
def test_a_table_without_images_is_asked_with_those_beside_it(tmp_path, cache, image):
    rows = [["index", "question", "A", "B", "answer", "image"], [7, "Which?", "red", "blue", "A", image]]
    task, _ = ready("mmbench", tsv(tmp_path / "dev.tsv", rows))
    assert task.images == tmp_path and not list(cache.glob("*"))


def test_parquet_files_of_a_folder_give_every_image_of_a_row(tmp_path):
    options = str(["<image 2>", "none"])
    rows = [
        {
            "id": f"validation_Art_{n}",
            "question": ("Is <image 1> like <image 3>?", "Which?")[n % 2],
            "options": options if n == 0 else "['a', 'b']",
            "answer": "A",
            "question_type": "multiple-choice",
            **{f"image_{i}": {"bytes": png(10 * n + i), "path": "x"} for i in (1, 2, 3)},
            "image_4": None,
        }
        for n in range(4)
    ]
    folder = tmp_path / "mmmu"
    folder.mkdir()
    for part in (0, 1):
        table = pyarrow.Table.from_pylist(rows[2 * part : 2 * part + 2])
        parquet.write_table(table, folder / f"validation-{part}.parquet")
    task, items = ready("mmmu", folder)
    assert shades(task, items) == [[1, 3, 2], [11], [21, 23], [31]]
    assert items[0].question.startswith("Is <image> like <image>?\nA. <image>\nB. none\n")
    assert items[1].question.startswith("Which?")


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("mmstar", {"index": 3, "question": "Which?", "answer": "A", "image": png(5)}),
        ("realworldqa", {"question": "Which?", "answer": "A", "image": {"bytes": png(5), "path": None}}),
        (
            "cvbench",
            {"idx": 3, "question": "?", "choices": ["a"], "answer": "(A)", "image": {"bytes": png(5)}}
            | {"filename": "img/2D/3.png"},
        ),
    ],
)
def test_every_benchmark_of_images_in_tables_finds_them(tmp_path, name, row):
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "test.parquet")
    assert shades(*ready(name, tmp_path / "test.parquet")) == [[5]]


@pytest.mark.parametrize(
    ("image", "said"), [("no base64!" * 9, "row 1 is not base64"), ("99", "that of row 99, which has none")]
)
def test_an_image_that_is_none_leaves_nothing_behind(tmp_path, cache, image, said):
    rows = [["index", "question", "A", "B", "answer", "image"], [7, "Which?", "red", "blue", "A", image]]
    with pytest.raises(UserError, match=said):
        ready("mmbench", tsv(tmp_path / "dev.tsv", rows))
    assert not list(cache.glob("*"))


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path):
    row = {"idx": 3, "question": "?", "choices": ["a"], "answer": "(A)", "image": {"bytes": png(5)}}
    table = pyarrow.Table.from_pylist([row | {"filename": "../../up.png"}])
    parquet.write_table(table, tmp_path / "test.parquet")
    with pytest.raises(UserError, match="leads out of its folder"):
        ready("cvbench", tmp_path / "test.parquet")
    assert not list(tmp_path.glob("**/up.png"))


def test_several_that_unpack_at_once_leave_one_whole_folder(tmp_path, cache):
    path = tsv(tmp_path / "dev.tsv", MMBENCH)
    threads = [threading.Thread(target=ready, args=("mmbench", path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (folder,) = cache.iterdir()
    assert len(list(folder.iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_one_clear_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot be written"):
        ready("mmbench", tsv(tmp_path / "dev.tsv", MMBENCH))
