"""Files that let a command down: one sentence, the right status, and nothing half-written."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmtune import cli
from tests import processes
from tests.tiny_run import losses, write_recipe

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny project with a finished run in ``trained``."""
    folder = tmp_path_factory.mktemp("project")
    write_recipe(folder, optim__steps=2)
    assert cli.main(["train", str(folder / "recipe.yaml"), "--out", str(folder / "trained")]) == 0
    return folder


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Run a command that must end with status 2 and one sentence in which all of ``parts`` stand."""

    def run(words: list[object], *parts: str) -> None:
        capsys.readouterr()
        assert cli.main([str(word) for word in words]) == 2
        told = capsys.readouterr().err
        (line,) = [line for line in told.splitlines() if line.startswith("mmtune: ")]
        assert all(part in line for part in parts), line
        assert "Traceback" not in told

    return run


def checkpoint_of(project: Path) -> Path:
    return project / "trained" / "checkpoints" / "step-000002"


def pope_file(folder: Path, images: list[str]) -> Path:
    rows = [
        {"question_id": number, "image": image, "text": "Is there a dog in the image?", "label": "no"}
        for number, image in enumerate(images)
    ]
    path = folder / "pope.json"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


# --- files of records


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["empty"]),
        (b"[]", ["holds no records"]),
        (b"3", ["not a JSON list", "an object a line"]),
        (b'[\n {"id": "1"},\n {"id": "2",, }\n]', ["line 3", "column 13"]),
        (b'{"id": 1, "conv\n', ["line 1", "column 11"]),
        ('[\n  {"id": "é"}]'.encode("latin-1"), ["UTF-8", "line 2", "column 11"]),
    ],
    ids=["empty", "empty list", "number", "list", "lines", "latin-1"],
)
def test_check_and_training_name_the_same_place(
    content: bytes, parts: list[str], project: Path, tmp_path: Path, fails: Callable[..., None]
) -> None:
    path = tmp_path / "records.json"
    path.write_bytes(content)
    fails(["data", "check", path, "--image-root", project], "records.json", *parts)
    recipe = project / "recipe.yaml"
    fails(["train", recipe, "--data.train.0.path", path, "--out", tmp_path / "o"], "records.json", *parts)


def test_a_wrong_path_of_the_data_is_told_before_the_model_is_built(
    project: Path, tmp_path: Path, fails: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmtune.train import loop

    monkeypatch.setattr(loop, "build", lambda *words, **settings: pytest.fail("built"))
    train = ["train", project / "recipe.yaml", "--out", tmp_path / "out"]
    fails([*train, "--data.train.0.path", "nowhere.json"], "nowhere.json")
    fails([*train, "--template", "vicunna_v1"], "'vicuna_v1'")


# --- places to write to


@pytest.mark.parametrize("command", ["train", "eval", "build photos", "build miniworld"])
def test_a_file_in_the_place_of_the_folder(
    command: str, project: Path, tmp_path: Path, fails: Callable[..., None]
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("precious")
    pope = pope_file(tmp_path, [])
    words: dict[str, list[object]] = {
        "train": ["train", project / "recipe.yaml"],
        "eval": ["eval", checkpoint_of(project), "--task", f"pope:annotations={pope},images={project}"],
        "build photos": ["build", "photos"],
        "build miniworld": ["build", "miniworld", "--train-scenes", "2", "--workers", "1"],
    }
    fails([*words[command], "--out", taken], str(taken), ";")
    assert taken.read_text() == "precious"


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond this, as under a quota: writing fails in the middle of it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_in_the_middle_of_the_weights(
    project: Path, tmp_path: Path, fails: Callable[..., None]
) -> None:
    out = tmp_path / "out"
    with largest_file(100_000):
        fails(["train", project / "recipe.yaml", "--out", out], "cannot be written", "half-written", str(out))
    assert list((out / "checkpoints").iterdir()) == []


def test_a_write_that_fails_in_the_middle_of_the_training_state(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights fit and the optimiser's state, twice as large, does not: the run goes on without it."""
    from mmtune.models.checkpoint import load

    out = tmp_path / "out"
    with largest_file(300_000):
        words = ["train", str(project / "recipe.yaml"), "--out", str(out), "--optim.steps", "4"]
        assert cli.main([*words, "--checkpoint.every", "2"]) == 0
    told = capsys.readouterr().err
    assert told.count("The run goes on without this checkpoint") == 1
    assert "Traceback" not in told
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["step-000000", "step-000004"]
    load(out / "checkpoints" / "step-000004")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a disk")
    yield folder
    # Lazily: the writer that the full disk has stopped may still hold a file open.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_others_fill_in_mid_run(
    project: Path, disk: Path, fails: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmtune.models.checkpoint import load
    from mmtune.train.saving import Saver

    at_the_start = Saver.before_the_first_step

    def then_fill(saver: Saver) -> None:
        at_the_start(saver)
        try:
            with (disk / "others").open("wb", buffering=0) as file:
                while file.write(bytes(512)):
                    pass
        except OSError:
            return

    monkeypatch.setattr(Saver, "before_the_first_step", then_fill)
    words = ["train", project / "recipe.yaml", "--out", disk / "out", "--optim.steps", "40"]
    fails([*words, "--checkpoint.every", "5", "--tensorboard", "true"], "disk", str(disk / "out"))
    assert [path.name for path in (disk / "out" / "checkpoints").iterdir()] == ["step-000000"]
    load(disk / "out" / "checkpoints" / "step-000000")
    (disk / "others").unlink()
    monkeypatch.undo()
    assert cli.main([str(word) for word in words]) == 0
    assert len(losses(disk / "out")) == 40


# --- checkpoints and images that commands are given


def test_a_runs_folder_is_not_a_checkpoint_and_the_sentence_names_one(
    project: Path, fails: Callable[..., None]
) -> None:
    fails(["chat", project / "trained", "--question", "Hi"], "mmtune.json", str(checkpoint_of(project)))


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "no such image"), (b"", "empty"), (b"<html>", "not an image"), ("half", "cut short")],
    ids=["missing", "empty", "mislabelled", "truncated"],
)
def test_chat_names_the_image(
    content: bytes | str | None, says: str, project: Path, tmp_path: Path, fails: Callable[..., None]
) -> None:
    photo = tmp_path / "photo.png"
    if content == "half":
        whole = next(project.glob("[0-9]*.png")).read_bytes()
        content = whole[: len(whole) // 2]
    if isinstance(content, bytes):
        photo.write_bytes(content)
    words = ["chat", checkpoint_of(project), "--image", photo, "--question", "Hi"]
    fails(words, "photo.png", says if content is not None else "There is no such image")


def test_a_png_that_is_called_jpg_is_read_for_what_it_is(project: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(next(project.glob("[0-9]*.png")).read_bytes())
    words = ["chat", str(checkpoint_of(project)), "--image", str(photo), "--question", "Hi"]
    assert cli.main([*words, "--max-new-tokens", "2"]) == 0


def test_eval_scores_what_it_can_and_says_what_it_could_not(project: Path, tmp_path: Path) -> None:
    good = sorted(path.name for path in project.glob("[0-9]*.png"))[:2]
    pope = pope_file(tmp_path, [*good, "nowhere.png", "../recipe.yaml"])
    words = ["eval", str(checkpoint_of(project)), "--task", f"pope:annotations={pope},images={project}"]
    assert cli.main([*words, "--out", str(tmp_path / "eval")]) == 0
    (result,) = json.loads((tmp_path / "eval" / "metrics.json").read_text())["tasks"].values()
    assert "2 of 4" in (tmp_path / "eval" / "report.html").read_text()
    assert (result["n"], result["of"], sorted(result["failures"])) == (2, 4, ["2", "3"])
    assert [path.name for path in (tmp_path / "eval" / "answers").iterdir()] == ["pope.answers.partial.jsonl"]


def test_eval_of_nothing_is_a_mistake(project: Path, tmp_path: Path, fails: Callable[..., None]) -> None:
    pope = pope_file(tmp_path, ["nowhere.png", "neither.png"])
    words = ["eval", checkpoint_of(project), "--out", tmp_path / "eval", "--task"]
    fails([*words, f"pope:annotations={pope},images={project}"], "None of the 2 items", "nowhere.png")
    fails([*words, f"pope:annotations={pope},images=nowhere"], "image folder", "nowhere", "images=FOLDER")


# --- Ctrl-C


@pytest.mark.parametrize("signals", [1, 2])
def test_ctrl_c_in_mid_epoch_leaves_whole_checkpoints_only(
    signals: int, project: Path, tmp_path: Path
) -> None:
    """The first asks to stop after a checkpoint, the second at once."""
    from mmtune.models.checkpoint import load

    out = tmp_path / "out"
    words = ["train", str(project / "recipe.yaml"), "--out", str(out), "--optim.steps", "400"]
    words = ["-m", "mmtune", *words, "--optim.batch_records", "2", "--checkpoint.every", "1"]
    with (tmp_path / "told").open("w") as output:
        process = processes.start(words, env={**os.environ, "PYTHONPATH": str(ROOT)}, output=output)
        deadline = time.monotonic() + 300
        while not ((out / "scalars.jsonl").exists() and len(losses(out)) >= 3):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
        process.wait(300)
    told = (tmp_path / "told").read_text()
    assert process.returncode == 130, told
    assert "Traceback" not in told
    # What is being deleted has left its name first; the next run clears it away.
    found = [path for path in (out / "checkpoints").iterdir() if not path.name.startswith(".deleting-")]
    assert found and all(path.name.startswith("step-") for path in found), found
    for path in found:
        load(path)
