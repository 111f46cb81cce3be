"""Bad input through the command line: one clear sentence, the right exit status, nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mmtune import cli
from tests import processes
from tests.tiny_run import write_recipe

ROOT = Path(__file__).resolve().parents[2]
Row = dict[str, Any]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny project that trains; each test spoils a copy of its records."""
    folder = tmp_path_factory.mktemp("project")
    write_recipe(folder, optim__steps=1, optim__batch_records=24, data__quarantine_budget=0.1)
    spoil_images(folder)
    return folder


def spoil_images(folder: Path) -> None:
    whole = next(folder.glob("[0-9]*.png")).read_bytes()
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("not a picture")
    (folder / "bomb.png").write_bytes(png_header(50_000, 50_000))
    (folder / "link.png").symlink_to("/etc/hostname")


def png_header(width: int, height: int) -> bytes:
    """A small file that claims to be a picture of this size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def image(name: str) -> Callable[[Row], None]:
    return lambda row: row.update(image=name)


def answer(text: str) -> Callable[[Row], None]:
    return lambda row: row["conversations"][1].update(value=text)


SPOILT: dict[str, tuple[Callable[[Row], None], str]] = {
    "missing image": (image("nope.png"), "does not exist"),
    "empty image": (image("empty.png"), "empty"),
    "truncated image": (image("cut.png"), "cut short"),
    "mislabelled image": (image("text.png"), "not an image"),
    "decompression bomb": (image("bomb.png"), "gigantic"),
    "climbing path": (image("../x.png"), "'..'"),
    "absolute path": (image("/etc/hostname"), "absolute"),
    "link out of the root": (image("link.png"), "symbolic link"),
    "placeholder without image": (lambda row: row.pop("image"), "1 <image>"),
    "image without placeholder": (lambda row: row["conversations"][0].update(value="Hi"), "0 <image>"),
    "placeholder in an answer": (answer("an <image>"), "<image>"),
    "empty answer": (answer("  "), "empty"),
    "over-long record": (answer("word " * 400), "the limit is 256"),
    "no answer": (lambda row: row["conversations"].pop(), ""),
    "two questions in a row": (lambda row: row["conversations"].insert(0, row["conversations"][0]), ""),
}


def spoil(project: Path, kind: str, name: str) -> Path:
    """The project's records with one of them spoilt; its id is r1."""
    rows = json.loads((project / "records.json").read_text())
    SPOILT[kind][0](rows[1])
    path = project / f"{name}.json"
    path.write_text(json.dumps(rows))
    return path


@pytest.mark.parametrize("kind", list(SPOILT))
def test_check_names_row_and_reason(kind, project, capsys):
    path = spoil(project, kind, "check")
    status = cli.main(
        ["data", "check", str(project / "recipe.yaml"), "--decode", "--data.train.0.path", str(path)]
    )
    told = capsys.readouterr().out
    assert status == 2
    bad = [line for line in told.splitlines() if "row 1" in line]
    assert len(bad) == 1
    assert "'r1'" in bad[0]
    assert SPOILT[kind][1] in bad[0]
    assert "24 records, 1 refused" in told


def train(project: Path, out: Path, *words: str) -> int:
    return cli.main(["train", str(project / "recipe.yaml"), "--out", str(out), *words])


@pytest.mark.parametrize("kind", ["truncated image", "empty answer", "over-long record"])
def test_training_goes_on_without_a_bad_record(kind, project, tmp_path):
    path = spoil(project, kind, "train")
    assert train(project, tmp_path / "out", "--data.train.0.path", str(path)) == 0
    (row,) = [json.loads(line) for line in (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()]
    assert (row["row"], row["id"]) == (1, "r1")
    assert SPOILT[kind][1] in row["reason"]


@pytest.mark.parametrize("kind", ["truncated image", "empty answer"])
def test_training_stops_beyond_the_budget(kind, project, tmp_path, capsys):
    path = spoil(project, kind, "budget")
    words = ["--data.train.0.path", str(path), "--data.quarantine_budget", "0.01"]
    assert train(project, tmp_path / "out", *words) == 2
    assert_one_sentence(capsys.readouterr().err, "r1", "data.quarantine_budget")


def assert_one_sentence(told: str, *parts: str) -> None:
    (line,) = [line for line in told.splitlines() if line.startswith("mmtune: ")]
    assert all(part in line for part in parts), line
    assert "Traceback" not in told


MISTAKES = [
    (["--template", "vicuna_v2"], ["vicuna_v1"]),
    (["--optim.lrr", "1"], ["optim.lrr", "optim.lr"]),
    (["--optim.lr", "fast"], ["optim.lr", "float"]),
    (["--engine.name", "zero4"], ["engine.name", "zero3"]),
    (["--model.vision.name", "nowhere/at/all"], ["nowhere/at/all"]),
    (["--model.checkpoint", "nowhere"], ["nowhere"]),
    (["--data.train.0.path", "nowhere.json"], ["nowhere.json"]),
    (["--data.train.0.image_root", "nowhere"], ["nowhere"]),
]


@pytest.mark.parametrize(("words", "parts"), MISTAKES, ids=lambda value: " ".join(value))
def test_a_wrong_setting_is_named(words, parts, project, tmp_path, capsys):
    assert train(project, tmp_path / "out", *words) == 2
    assert_one_sentence(capsys.readouterr().err, *parts)
    assert not list((tmp_path / "out").glob("checkpoints/*"))


def test_malformed_json_is_named_with_line_and_column(project, tmp_path, capsys):
    broken = project / "broken.json"
    broken.write_text('[\n {"id": 1,\n}]')
    assert train(project, tmp_path / "out", "--data.train.0.path", str(broken)) == 2
    assert_one_sentence(capsys.readouterr().err, "broken.json", "line 3", "column 1")


@pytest.fixture(scope="module")
def checkpoint(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    assert train(project, out / "out") == 0
    return next((out / "out" / "checkpoints").iterdir())


def test_a_checkpoint_of_the_wrong_shape_is_named(checkpoint, tmp_path, capsys):
    from safetensors.torch import load_file, save_file

    damaged = tmp_path / "damaged"
    shutil.copytree(checkpoint, damaged)
    weights = next((damaged / "projector").glob("*.safetensors"))
    tensors = load_file(weights)
    name = sorted(tensors)[0]
    save_file({**tensors, name: tensors[name][..., :1].contiguous()}, weights)
    assert cli.main(["chat", str(damaged), "--question", "Hi"]) == 2
    assert_one_sentence(capsys.readouterr().err, "projector")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system that is too small for a checkpoint."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_leaves_no_half_checkpoint(project, small_disk, capsys):
    assert train(project, small_disk / "out") == 2
    assert_one_sentence(capsys.readouterr().err, "disk", "free", "nothing was left half-written")
    left = [path for path in (small_disk / "out").glob("checkpoints/*") if (path / "mmtune.json").exists()]
    assert left == []


def test_interrupt_saves_and_the_same_command_goes_on(project, tmp_path):
    out = tmp_path / "out"
    words = ["train", str(project / "recipe.yaml"), "--out", str(out), "--optim.steps", "60"]
    words += ["--optim.batch_records", "2"]
    command = ["-m", "mmtune", *words]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (tmp_path / "output").open("w") as output:
        process = processes.start(command, env=environ, output=output)
        wait_for_text(out / "scalars.jsonl", '"step": 3', process)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 130
    told = (tmp_path / "output").read_text()
    assert "Traceback" not in told
    (saved,) = sorted((out / "checkpoints").iterdir())[-1:]
    assert (saved / "mmtune.json").exists()
    step = int(saved.name.removeprefix("step-"))
    assert 3 <= step < 60
    again = processes.run([*command, "--checkpoint.every", "1000"], env=environ, timeout=300)
    assert again.returncode == 0, again.stderr
    steps = [
        json.loads(line)["step"]
        for line in (out / "scalars.jsonl").read_text().splitlines()
        if '"loss"' in line
    ]
    assert sorted(set(steps)) == list(range(1, 61))


def wait_for_text(path: Path, text: str, process: processes.Process) -> None:
    for _ in range(1200):
        assert process.poll() is None, "training ended too early"
        if path.exists() and text in path.read_text():
            return
        time.sleep(0.1)
    raise AssertionError(f"{text} never came into {path}")
