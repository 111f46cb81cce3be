"""Plain caption files: tables, lines, parquet, and the tar files of img2dataset."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from PIL import Image

from data_builders.readers import detect
from mmtune.errors import UserError


def picture(width: int = 8, height: int = 6) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (9, 8, 7)).save(out, "JPEG")
    return out.getvalue()


ROWS = [("a.jpg", "A cat, asleep."), ("a.jpg", 'She said "no".'), ("b.jpg", "Two\tdogs")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", 'image,caption\na.jpg,"A cat, asleep."\na.jpg,"She said ""no""."\nb.jpg,Two dogs\n'),
        ("x.tsv", 'filepath\ttitle\na.jpg\tA cat, asleep.\na.jpg\tShe said "no".\nb.jpg\tTwo dogs\n'),
        (
            "x.csv",
            'image_name| comment_number| comment\na.jpg| 0| A cat, asleep.\na.jpg| 1| She said "no".\nb.jpg| 0| Two dogs\n',
        ),
        ("x.json", [{"image": image, "caption": text} for image, text in ROWS]),
        ("x.jsonl", [{"file_name": image, "text": text} for image, text in ROWS]),
        (
            "x.jsonl",
            [
                {"image": "a.jpg", "captions": [ROWS[0][1], ROWS[1][1]]},
                {"image": "b.jpg", "captions": ["Two dogs"]},
            ],
        ),
    ],
)
def test_captions_of_one_image_join(put, read, name, content) -> None:
    path = put(name, content)
    assert detect([path]) == "captions"
    found, problems = read(path)
    assert problems == []
    assert [(scene.image.path, scene.captions) for scene in found] == [
        ("a.jpg", ("A cat, asleep.", 'She said "no".')),
        ("b.jpg", ("Two dogs",)),
    ]
    assert [scene.id for scene in found] == ["a.jpg", "b.jpg"] and found[0].width == 0


def test_bad_rows_of_a_table_are_left_out_alone(put, read, rows_of_problems) -> None:
    content = (
        b"image,caption\n"
        b"a.jpg,fine\n"
        b"b.jpg,\n"
        b"c.jpg,na\xefve\n"
        b"d.jpg\n"
        b'e.jpg,"over two\nlines"\n'
        b'f.jpg,"over three\n\xff\nlines"\n'
        b"../g.jpg,climbs\n"
        b"a.jpg,again\n"
        b"h.jpg,last"
    )
    found, problems = read(put("x.csv", content))
    assert [(scene.id, scene.captions) for scene in found] == [
        ("a.jpg", ("fine",)),
        ("e.jpg", ("over two lines",)),
        ("h.jpg", ("last",)),
    ]
    reasons = rows_of_problems(problems)
    assert list(reasons) == ["line 3", "line 4", "line 5", "line 9", "lines 8-10", "line 11", "scene a.jpg"]
    assert "left out" in reasons["lines 8-10"] and "1 columns" in reasons["line 5"]


def test_columns_of_other_names_are_named(put, read) -> None:
    path = put("x.csv", "bild,satz\na.jpg,Eine Katze\n")
    with pytest.raises(UserError, match="format"):
        read(path)
    with pytest.raises(UserError, match="image_column"):
        read(path, reader="captions")
    found, _ = read(path, reader="captions", image_column="bild", caption_column="satz")
    assert found[0].captions == ("Eine Katze",)


def test_nothing_at_all_is_no_success(put, read) -> None:
    for content in ("image,caption\n", "image,caption\na.jpg,\n", "image,caption\n../a.jpg,climbs\n"):
        with pytest.raises(UserError, match="no scene"):
            read(put("x.csv", content))


def shard(path, members, *, end: bool = True) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    if not end:
        with tarfile.open(path) as tar:
            last = tar.getmembers()[-1]
        with path.open("r+b") as file:
            file.truncate(last.offset_data + (last.size + 511) // 512 * 512)


def sample(key: str, caption: str = "a cat", **meta) -> list[tuple[str, bytes]]:
    meta = {
        "caption": caption,
        "url": "http://x/y.jpg",
        "width": 8,
        "height": 6,
        "key": key,
        "sha256": "0a",
    } | meta
    return [
        (f"{key}.jpg", picture()),
        (f"{key}.txt", caption.encode()),
        (f"{key}.json", json.dumps(meta).encode()),
    ]


def test_img2datasets_shards(tmp_path, read) -> None:
    shard(tmp_path / "00000.tar", [*sample("000000000"), *sample("000000001", "two  dogs")])
    shard(tmp_path / "00001.tar", sample("000010005", license="CC0-1.0"))
    (tmp_path / "00000_stats.json").write_text("{}")
    found, problems = read(tmp_path, unpack=tmp_path / "out")
    assert problems == []
    assert [(scene.id, scene.captions) for scene in found] == [
        ("000000000", ("a cat",)),
        ("000000001", ("two dogs",)),
        ("000010005", ("a cat",)),
    ]
    assert found[1].source["member"] == "000000001.jpg" and found[1].source["url"] == "http://x/y.jpg"
    assert found[2].licence == "CC0-1.0" and (found[0].width, found[0].height) == (8, 6)
    for scene in found:
        assert Image.open(tmp_path / "out" / scene.image.path).size == (8, 6)
    found, _ = read(tmp_path / "00000.tar")
    assert [scene.image.path for scene in found] == ["00000.tar/000000000.jpg", "00000.tar/000000001.jpg"]


def test_a_shard_of_strangers(tmp_path, read, rows_of_problems) -> None:
    members = [
        *sample("a/one"),
        ("../evil.jpg", picture()),
        ("../evil.txt", b"out"),
        ("/abs.jpg", picture()),
        ("a/link.jpg", None),
        ("a/link.txt", b"to /etc/passwd"),
        ("a/empty.jpg", picture()),
        ("a/empty.txt", b" "),
        ("a/latin.jpg", picture()),
        ("a/latin.txt", b"na\xefve"),
        ("a/alone.txt", b"no image"),
        ("nokey", b"x"),
        ("a/twice.jpg", picture()),
        ("a/twice.JPG", picture()),
        ("a/twice.txt", b"twice"),
        ("a/one.txt", b"again"),
        ("a/json.png", picture()),
        ("a/json.json", b"{"),
        ("b/one.jpg", b""),
        ("b/one.txt", b"no pixels"),
        ("b/two.jpg", b"not an image"),
        ("b/two.txt", b"no pixels"),
    ]
    shard(tmp_path / "s.tar", members)
    out = tmp_path / "deep/out"
    found, problems = read(tmp_path / "s.tar", unpack=out)
    assert [scene.id for scene in found] == ["s/a/one", "s/a/twice"]
    reasons = rows_of_problems(problems)
    assert set(reasons) == {
        "member ../evil.jpg",
        "member ../evil.txt",
        "member /abs.jpg",
        "member a/link.jpg",
        "member nokey",
        "member a/twice.jpg",
        "member a/one.txt",
        "sample a/link",
        "sample a/empty",
        "sample a/latin",
        "sample a/alone",
        "sample a/json",
        "sample b/one",
        "sample b/two",
    }
    assert "link" in reasons["member a/link.jpg"] and "kind already" in reasons["member a/twice.jpg"]
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert all(name == "s.tar" or name.startswith("deep/out/s/") for name in written)


@pytest.mark.parametrize("how", ["between members", "inside a member", "inside a header"])
def test_a_shard_that_is_cut_short_says_so(tmp_path, read, how) -> None:
    path = tmp_path / "s.tar"
    shard(path, [*sample("one"), *sample("two")], end=False)
    if how != "between members":
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.truncate(size - (100 if how == "inside a member" else 512 + 300))
    found, problems = read(path)
    assert found[0].id == "s/one"
    assert "cut short" in problems[-1].reason and problems[-1].row.startswith("after member two")


def test_what_is_no_tar_is_refused(put, read) -> None:
    with pytest.raises(UserError, match="no tar"):
        read(put("x.tar", b"hello" * 500))


def parquet(path, rows) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path)


def test_parquet_of_img2dataset_and_of_the_hub(tmp_path, read) -> None:
    rows = [
        {
            "key": "000000000",
            "caption": "a cat",
            "status": "success",
            "error_message": None,
            "width": 8,
            "height": 6,
        },
        {
            "key": "000000001",
            "caption": "gone",
            "status": "failed_to_download",
            "error_message": "HTTP 404",
            "width": 0,
            "height": 0,
        },
    ]
    parquet(tmp_path / "00000.parquet", rows)
    found, problems = read(tmp_path / "00000.parquet")
    assert [(scene.id, scene.image.path, scene.width) for scene in found] == [
        ("000000000", "00000/000000000.jpg", 8)
    ]
    assert problems[0].row == "row 1, 000000001" and "HTTP 404" in problems[0].reason
    rows = [
        {"id": "x", "image": {"bytes": picture(5, 4), "path": "x.jpg"}, "text": "inside"},
        {"id": "y", "image": {"bytes": picture(5, 4), "path": "../y.jpg"}, "text": "climbs"},
    ]
    parquet(tmp_path / "hub.parquet", rows)
    found, problems = read(tmp_path / "hub.parquet", unpack=tmp_path / "out")
    assert [(scene.id, scene.image.path, scene.width) for scene in found] == [("x", "hub/x.jpg", 5)]
    assert "climbs" in problems[0].reason
    with pytest.raises(UserError, match="unpack"):
        read(tmp_path / "hub.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(UserError, match="parquet"):
        read(tmp_path / "bad.parquet")


def test_images_of_one_name_do_not_take_each_others_place(tmp_path, read) -> None:
    """A caption must go with its own image: many parquet files call all of theirs alike, or not at all."""
    out, sizes = tmp_path / "out", ((5, 4), (7, 3), (5, 4))
    for name in ("image.png", None):
        rows = [
            {"image": {"bytes": picture(*size), "path": name}, "text": f"{size[0]} wide {place}"}
            for place, size in enumerate(sizes)
        ]
        parquet(tmp_path / "hub.parquet", rows)
        for _ in range(2):  # the second reading finds the files of the first
            found, problems = read(tmp_path / "hub.parquet", unpack=out)
            shown = {scene.captions[0]: Image.open(out / scene.image.path).size for scene in found}
            assert shown["5 wide 0"] == (5, 4) and shown["7 wide 1"] == (7, 3)
            assert [problem.reason for problem in problems] == ["its id is that of an earlier scene"]
    # Shards of two folders, of which only one is read in each run.
    for folder, size in (("a", (5, 4)), ("b", (6, 4))):
        (tmp_path / folder).mkdir()
        shard(tmp_path / folder / "00000.tar", [("00000.jpg", picture(*size)), ("00000.txt", b"one")])
    paths = {}
    for folder in "ab":
        ((scene,), _) = read(tmp_path / folder, unpack=out)
        paths[folder] = scene.image.path
    assert {folder: Image.open(out / path).size for folder, path in paths.items()} == {
        "a": (5, 4),
        "b": (6, 4),
    }
