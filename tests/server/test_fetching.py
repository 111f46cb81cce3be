"""Files over HTTP from a server on loopback that breaks off, lies and fails; archives that would do harm."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import socket
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.fetching import MIRROR, RECORD, Patience, download, fetch
from eval.fetching.download import _not_written
from eval.fetching.unpacking import _safe
from eval.tasks import TASKS
from eval.tasks.published import SEE_PAGE, Published, Remote
from mmtune.cli import main
from mmtune.errors import UserError

BODY = bytes(range(256)) * 1200
QUICK = Patience(tries=3, pause_s=0.0, timeout_s=2.0)


@dataclass
class Site:
    """What a server has, and how its next answers fail."""

    files: dict[str, bytes] = field(default_factory=dict)
    moods: list[object] = field(default_factory=list)
    """Of the next answers: a status, or how many bytes come before the connection breaks."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    tags: dict[str, str | None] = field(default_factory=dict)
    base: str = ""
    packed: str | None = None
    """The content encoding that it claims."""


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site({"a.bin": BODY})

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            name, asked = self.path.lstrip("/"), self.headers.get("Range")
            site.asked.append((name, asked))
            mood = site.moods.pop(0) if site.moods else None
            body = site.files.get(name)
            tag = site.tags.get(name, '"one"')
            if mood == "hang":
                threading.Event().wait(3)
                return
            if isinstance(mood, tuple) or body is None:
                self.send_response(mood[0] if mood else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = 0
            if asked and tag and self.headers.get("If-Range") == tag:
                start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(body) > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            if tag:
                self.send_header("ETag", tag)
            if site.packed:
                self.send_header("Content-Encoding", site.packed)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            end = len(body) if mood is None else start + int(mood)
            self.wfile.write(body[start:end])
            self.close_connection = mood is not None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.base = f"http://127.0.0.1:{server.server_address[1]}"
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


def published(*files: Remote) -> Published:
    return Published(SEE_PAGE, "1", "1", "1", "https://example.org", files)


def get(site, folder, *names, patience=QUICK, sha256=None):
    remotes = [Remote(f"{site.base}/{name}", sha256=sha256) for name in names or ("a.bin",)]
    return fetch("mine", published(*remotes), folder, patience=patience)


def test_a_file_comes_whole_and_is_not_fetched_twice(site, tmp_path):
    (path,) = get(site, tmp_path / "new")
    assert path.read_bytes() == BODY
    get(site, tmp_path / "new")
    assert site.asked == [("a.bin", None)]
    assert (
        json.loads((tmp_path / "new" / RECORD).read_text())["a.bin"]["sha256"]
        == hashlib.sha256(BODY).hexdigest()
    )
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["a.bin", RECORD]
    path.unlink()
    assert get(site, tmp_path / "new")[0].read_bytes() == BODY, "what is gone is fetched again"


def test_a_connection_that_breaks_goes_on_where_it_was(site, tmp_path):
    site.moods = [100_000, 50_000]
    assert get(site, tmp_path)[0].read_bytes() == BODY
    assert site.asked == [("a.bin", None), ("a.bin", "bytes=100000-"), ("a.bin", "bytes=150000-")]


def test_a_part_of_an_earlier_call_is_gone_on_with(site, tmp_path):
    site.moods = [1000, (500,), (500,), (500,)]
    with pytest.raises(UserError, match="could not be fetched in 3 attempts: the server answers 500"):
        get(site, tmp_path)
    assert (tmp_path / "a.bin.part").read_bytes() == BODY[:1000] and not (tmp_path / "a.bin").exists()
    site.asked.clear()
    assert get(site, tmp_path)[0].read_bytes() == BODY
    assert site.asked == [("a.bin", "bytes=1000-")]


@pytest.mark.parametrize("tag", ['"two"', None, 'W/"one"'])
def test_a_part_of_another_version_is_not_gone_on_with(site, tmp_path, tag):
    site.moods, site.tags["a.bin"] = [1000, (404,)], '"one"' if tag == '"two"' else tag
    with pytest.raises(UserError, match="answers 404"):
        get(site, tmp_path)
    site.files["a.bin"], site.tags["a.bin"] = BODY[::-1], tag
    assert get(site, tmp_path)[0].read_bytes() == BODY[::-1]


def test_a_part_that_is_whole_already_is_taken(site, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(BODY)
    (tmp_path / "a.bin.part.version").write_text('"one"')
    assert get(site, tmp_path)[0].read_bytes() == BODY
    assert len(site.asked) == 1


def test_an_error_of_the_server_passes_and_a_missing_file_does_not(site, tmp_path):
    site.moods = [(500,), (429,)]
    assert get(site, tmp_path)[0].read_bytes() == BODY
    site.asked.clear()
    with pytest.raises(UserError, match=r"answers 404 .*see https://example\.org"):
        get(site, tmp_path, "none.json")
    assert len(site.asked) == 1


def test_a_server_that_is_silent_is_given_up(site, tmp_path):
    site.moods = ["hang"] * 2
    with pytest.raises(UserError, match="2 attempts"):
        get(site, tmp_path, patience=Patience(2, 0.0, 0.1))


@pytest.mark.parametrize(
    ("host", "said"), [("127.0.0.1:1", "connection is refused"), ("nowhere.invalid", "no such host")]
)
def test_where_nobody_is_nothing_is_tried_again(host, said, tmp_path, monkeypatch):
    if "invalid" in host:  # without asking a name server, which takes its time where there is no network

        def unknown(*asked, **how):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    with pytest.raises(UserError, match=said) as told:
        fetch("mine", published(Remote(f"http://{host}/a.bin")), tmp_path)
    assert waits == [], "nothing is waited for"
    assert "--from URL" in str(told.value) and "\n" not in str(told.value)


def test_a_server_that_goes_away_in_the_middle_may_come_back(tmp_path):
    """Refused after an answer is a server that starts anew, so the usual patience holds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.bin"

        def once():
            connection, _ = server.accept()
            server.close()
            with connection:
                connection.recv(4096)
                connection.sendall(b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 99\r\n\r\nsome')

        thread = threading.Thread(target=once)
        thread.start()
        with pytest.raises(UserError, match=r"3 attempts.*refused"):
            fetch("mine", published(Remote(address)), tmp_path, patience=QUICK)
        thread.join()
    assert (tmp_path / "a.bin.part").read_bytes() == b"some"


def test_a_file_that_is_not_the_published_one_is_removed(site, tmp_path):
    with pytest.raises(UserError, match="not the published one"):
        get(site, tmp_path, sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []
    assert get(site, tmp_path, sha256=hashlib.sha256(BODY).hexdigest())


def test_a_server_that_packs_what_it_was_asked_to_leave_plain_is_refused(site, tmp_path):
    """Its bytes would lie here under the file's name."""
    site.packed = "gzip"
    with pytest.raises(UserError, match="packs the file"):
        get(site, tmp_path)
    assert not (tmp_path / "a.bin").exists()
    site.packed = "identity"
    get(site, tmp_path)


def test_llavabench_brings_what_its_judge_is_shown():
    names = {remote.name for remote in TASKS["llavabench"].published.files}
    assert {"questions.jsonl", "context.jsonl", "answers_gpt4.jsonl", "024.jpg"} <= names


def test_a_disk_without_room_is_told_before_anything_is_written(site, tmp_path, monkeypatch):
    monkeypatch.setattr(
        download.__globals__["shutil"], "disk_usage", lambda path: type("D", (), {"free": 10})
    )
    with pytest.raises(UserError, match="disk is too full: 307,200 bytes are to come, 10 are free"):
        get(site, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_clear_sentence(site, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        get(site, tmp_path / "file" / "data")


def test_what_is_no_address_is_told_at_once(tmp_path):
    with pytest.raises(UserError, match="no address"):
        fetch("mine", published(Remote("ftp://127.0.0.1/a.bin")), tmp_path)
    with pytest.raises(UserError, match="no address"):
        fetch("mine", published(Remote("http://127.0.0.1/a.bin")), tmp_path, mirror="127.0.0.1/data")


def test_a_disk_that_fills_up_keeps_what_has_come(tmp_path):
    error = _not_written(tmp_path / "a.part", OSError(errno.ENOSPC, "No space left on device"))
    assert "disk is full" in str(error) and "goes on where this stopped" in str(error)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(st.sampled_from("./\\\0aC: "), max_size=8))
def test_no_name_in_an_archive_leads_out_of_the_folder(name):
    try:
        path = _safe(name, Path("a.zip"))
    except UserError:
        return
    assert os.path.normpath(os.path.join("/in", path)).startswith("/in/")


def zipped(files, mode=0):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return data.getvalue()


def tarred(files, kind=tarfile.REGTYPE):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, "/etc/passwd"
            archive.addfile(info, io.BytesIO(content) if kind == tarfile.REGTYPE else None)
    return data.getvalue()


def locked(archive):
    """The archive with its members marked as encrypted."""
    data = bytearray(archive)
    for header, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + place] |= 1
    return bytes(data)


@pytest.mark.parametrize(("name", "pack"), [("a.zip", zipped), ("a.tar.gz", tarred)])
def test_archives_are_unpacked_and_leave_nothing_else(site, tmp_path, name, pack):
    site.files[name] = pack({"val/1.txt": b"one", "val/2.txt": b""})
    assert get(site, tmp_path, name) == []
    assert (tmp_path / "val/1.txt").read_bytes() == b"one" and (tmp_path / "val/2.txt").read_bytes() == b""
    assert sorted(file.name for file in tmp_path.iterdir()) == [RECORD, "val"]
    get(site, tmp_path, name)
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.zip", zipped({"../up.txt": b"x"}), "leads out"),
        ("a.zip", zipped({"/abs.txt": b"x"}), "leads out"),
        ("a.zip", zipped({"..\\up.txt": b"x"}), "leads out"),
        ("a.zip", zipped({"good.txt": b"x", "C:up.txt": b"x"}), "leads out"),
        ("a.zip", zipped({"link": b"/etc/passwd"}, 0o120777), "is a link"),
        ("a.tar.gz", tarred({"../up.txt": b"x"}), "leads out"),
        ("a.tar.gz", tarred({"link": b""}, tarfile.SYMTYPE), "no plain file"),
        ("a.zip", locked(zipped({"secret.txt": b"x"})), "is encrypted"),
    ],
)
def test_archives_that_would_do_harm_are_refused_whole(site, tmp_path, name, content, said):
    site.files[name] = content
    with pytest.raises(UserError, match=said):
        get(site, tmp_path / "data", name)
    assert [file.name for file in (tmp_path / "data").iterdir()] == [name]
    assert [file.name for file in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("cut", [10, 60])
def test_a_damaged_archive_is_fetched_again(site, tmp_path, cut):
    whole = zipped({"1.txt": b"one" * 100})
    site.files["a.zip"] = whole[:cut]
    with pytest.raises(UserError, match="archive is damaged"):
        get(site, tmp_path, "a.zip")
    site.files["a.zip"] = whole
    get(site, tmp_path, "a.zip")
    assert (tmp_path / "1.txt").read_bytes() == b"one" * 100


PAGE = b"\n<!DOCTYPE html><html>sign in</html>"


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("b.json", PAGE, b'\xef\xbb\xbf {"a": 1}'),
        ("b.json", b"version https://git-lfs.github.com/spec/v1", b"[1]"),
        ("b.jsonl", PAGE, b'{"a": 1}'),
        ("b.tsv", PAGE, b"index\tanswer"),
        ("b.parquet", PAGE, b"PAR1" + BODY),
        ("b.xlsx", b"index,answer", b"PK" + BODY),
        ("b.zip", PAGE, zipped({"1.txt": b"one"})),
        ("b.tar.gz", PAGE, tarred({"1.txt": b"one"})),
    ],
)
def test_a_page_in_the_place_of_a_file_is_not_kept(site, tmp_path, name, wrong, right):
    site.files[name] = wrong
    with pytest.raises(UserError, match=f"What came is not {name}"):
        get(site, tmp_path, name)
    assert list(tmp_path.iterdir()) == []
    site.files[name] = right
    get(site, tmp_path, name)
    if not name.endswith(("zip", "gz")):  # an earlier version kept such a page for good
        (tmp_path / name).write_bytes(wrong)
        assert get(site, tmp_path, name)[0].read_bytes() == right


@pytest.mark.parametrize("by", ["option", "environment"])
def test_a_benchmark_is_fetched_from_a_mirror_by_the_command(site, tmp_path, monkeypatch, capsys, by):
    names = ["coco_pope_random.json", "coco_pope_popular.json", "coco_pope_adversarial.json"]
    site.files |= dict.fromkeys(names, b"{}") | {"val2014.zip": zipped({"val2014/1.jpg": b"x"})}
    words = ["eval", "--fetch", "POPE", "--into", str(tmp_path / "pope")]
    if by == "option":
        words += ["--from", site.base + "/"]
    else:
        monkeypatch.setenv(MIRROR, site.base)
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "licence: MIT" in said and f"--task pope:annotations={tmp_path / 'pope'}" in said
    assert sorted(name for name, _ in site.asked) == sorted([*names, "val2014.zip"])
    assert (tmp_path / "pope" / "val2014" / "1.jpg").exists()


def test_what_cannot_be_fetched_says_where_it_is(tmp_path, capsys):
    assert main(["eval", "--fetch", "mme", "--into", str(tmp_path)]) == 2
    assert "BradyFU" in capsys.readouterr().err
    assert main(["eval", "--fetch", "popes"]) == 2
    assert "did you mean 'pope'" in capsys.readouterr().err


def test_every_task_states_licence_size_and_source(capsys):
    assert main(["eval", "--list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == set(TASKS)
    for name, task in TASKS.items():
        of = task.published
        assert of.licence and of.items and of.images and of.size and of.page.startswith("https://"), name
        assert told[name]["licence"] == of.licence and told[name]["files"] == [f.url for f in of.files]
        assert len({remote.name for remote in of.files}) == len(of.files)
        assert bool(of.use) or not of.files or name == "vizwiz", name
        assert told[name]["settings"]["required"] == list(task.needs)
    assert main(["eval", "--list"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in TASKS)
    assert "settings: questions*, annotations" in shown and "settings: annotations*, truth*, replies" in shown
    assert "* must be given" in shown and "Every task also takes images, name, prompt" in shown
