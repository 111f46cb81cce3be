"""What training has seen of a benchmark: images, questions, both together, and the score on the rest."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eval import runner
from eval.backends.checkpoint import Checkpoint
from eval.overlap import TrainingRecords, add_overlap, find_overlap
from eval.report import write_report
from eval.runner import evaluate
from eval.tasks import Item, TaskConfig, build_tasks
from mmtune import cli
from mmtune.commands import training_data
from mmtune.commands.overlap_lines import overlap_lines
from mmtune.commands.training_data import named, remembered
from mmtune.errors import UserError
from tests.unit.eval.conftest import SeeingEngine

IMAGES = 6


def picture(number: int) -> Image.Image:
    """An image like no other of these: coloured squares at random."""
    blocks = np.random.RandomState(number).randint(0, 255, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((96, 96), Image.Resampling.NEAREST)


def pope(folder: Path, images: range) -> TaskConfig:
    """Two questions about each image, one of them the same for all."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in images:
        picture(number).save(folder / f"{number}.png")
        for label, thing in (("yes", "red"), ("no", f"thing{number}")):
            text = f"Is there a {thing} in the image?"
            rows.append(
                {"question_id": f"{number}-{label}", "image": f"{number}.png", "text": text, "label": label}
            )
    path = folder / "coco_pope_random.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return TaskConfig("pope", str(path), prompt="bare")


def record(name: str, question: str, image: str | None = None) -> dict[str, Any]:
    value = f"<image>\n{question}" if image else question
    turns = [{"from": "human", "value": value}, {"from": "gpt", "value": "Yes."}]
    return {"id": name, **({"image": image} if image else {}), "conversations": turns}


@pytest.fixture
def records(tmp_path: Path) -> TrainingRecords:
    """Image 0 with a question of the benchmark, 1 cropped with a question of none, 2's question elsewhere."""
    folder = tmp_path / "training"
    folder.mkdir()
    picture(0).resize((80, 80)).save(folder / "again.jpg", quality=80)
    picture(1).crop((0, 0, 86, 86)).save(folder / "part.png")
    picture(100).save(folder / "other.png")
    rows = [
        record(
            "a",
            "is there a THING0 in the image\nAnswer the question using a single word or phrase.",
            "again.jpg",
        ),
        record("b", "What is it?", "part.png"),
        record("c", "Is there a thing2 in the image?", "other.png"),
        record("d", "Is there a thing3 in the image?"),
    ]
    path = folder / "records.json"
    path.write_text(json.dumps(rows))
    return TrainingRecords(path, folder)


def run(config: TaskConfig, out: Path, seeing: SeeingEngine) -> dict[str, Any]:
    return evaluate(seeing, build_tasks([config]), out, resamples=20)  # type: ignore[arg-type]


def test_what_was_seen_is_counted_listed_and_left_out(
    tmp_path: Path, records: TrainingRecords, seeing: SeeingEngine
) -> None:
    config, out = pope(tmp_path / "pope", range(IMAGES)), tmp_path / "out"
    results = run(config, out, seeing)
    before = json.loads(json.dumps(results["tasks"]["pope_random"]))
    add_overlap(results, out, build_tasks([config]), [records])
    found = results["tasks"]["pope_random"].pop("overlap")
    assert results["tasks"]["pope_random"] == before, "the score on all stays as it was"
    assert (found["n"], found["images"], found["questions"], found["both"]) == (12, 4, 3, 1)
    listed = [json.loads(line) for line in (out / "overlap.jsonl").read_text().splitlines()]
    sorts = {
        row["id"]: tuple(name for name in ("image", "question", "both") if row[name] is not None)
        for row in listed
    }
    assert sorts == {
        "0-yes": ("image",),
        "0-no": ("image", "question", "both"),
        "1-yes": ("image",),
        "1-no": ("image",),
        "2-no": ("question",),
        "3-no": ("question",),
    }
    assert [row["both"]["id"] for row in listed if row["both"]] == ["a"]
    cut = next(row["image"] for row in listed if row["id"] == "1-no")
    assert (cut["image"], cut["id"]) == ("part.png", "b") and cut["window"][2] < 1
    # The clean rest is scored as a benchmark that has only these items.
    rest = run(pope(tmp_path / "rest", range(2, IMAGES)), tmp_path / "rest-out", seeing)
    assert found["clean"]["n"] == 8 and found["unpaired"]["n"] == 11
    assert found["clean"]["metrics"] == rest["tasks"]["pope_random"]["metrics"]
    written = json.loads((out / "metrics.json").read_text())
    assert written["tasks"]["pope_random"]["overlap"] == found
    assert written["overlap"]["records"][0]["rows"] == 4


def test_it_is_told_in_terminal_and_report(
    tmp_path: Path, records: TrainingRecords, seeing: SeeingEngine
) -> None:
    config, out = pope(tmp_path / "pope", range(IMAGES)), tmp_path / "out"
    results = run(config, out, seeing)
    assert list(overlap_lines(results)) == []
    assert "Seen in training" not in write_report(out, results=results).read_text()
    add_overlap(results, out, build_tasks([config]), [records], notes=["a note"])
    first, second = overlap_lines(results)
    assert first == "overlap: a note"
    assert "of 12 items training has seen the image of 4, the question of 3, both together of 1" in second
    assert "over the 8 clean ones" in second
    page = write_report(out, results=results).read_text()
    assert "Seen in training" in page and "a note" in page and "n 8" in page


def test_images_inside_a_table_are_compared(
    tmp_path: Path, records: TrainingRecords, seeing: SeeingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lines = ["index\tquestion\tA\tB\tanswer\timage"]
    for number in range(IMAGES):
        stored = io.BytesIO()
        picture(number).save(stored, "PNG")
        encoded = base64.b64encode(stored.getvalue()).decode()
        lines.append(f"{number}\tWhat is {number}?\tred\tblue\tA\t{encoded}")
    (tmp_path / "mmbench.tsv").write_text("\n".join(lines) + "\n")
    config = TaskConfig("mmbench", str(tmp_path / "mmbench.tsv"))
    results = run(config, tmp_path / "out", seeing)
    overlap = add_overlap(results, tmp_path / "out", build_tasks([config]), [records])
    assert not overlap.unread
    assert {item for _, item in overlap.sightings} == {"0", "1"}


def test_rows_that_cannot_be_compared_are_told(
    tmp_path: Path, records: TrainingRecords, seeing: SeeingEngine
) -> None:
    (records.images / "part.png").unlink()
    config, out = pope(tmp_path / "pope", range(IMAGES)), tmp_path / "out"
    results = run(config, out, seeing)
    add_overlap(results, out, build_tasks([config]), [records])
    assert results["tasks"]["pope_random"]["overlap"]["images"] == 2
    assert "1 of 4 rows" in next(overlap_lines(results)) and "part.png" in next(overlap_lines(results))


def test_nothing_compared_is_not_nothing_seen(tmp_path: Path, seeing: SeeingEngine) -> None:
    config, out = pope(tmp_path / "pope", range(IMAGES)), tmp_path / "out"
    results = run(config, out, seeing)
    add_overlap(results, out, build_tasks([config]), [], notes=["the data is gone"])
    assert "overlap" not in results["tasks"]["pope_random"]
    assert list(overlap_lines(results)) == ["overlap: the data is gone"]


@pytest.mark.parametrize("asked", [True, False])
def test_a_comparison_that_fails_costs_neither_report_nor_answers(
    tmp_path: Path, seeing: SeeingEngine, monkeypatch: pytest.MonkeyPatch, capsys: Any, asked: bool
) -> None:
    """Told in terminal, report and metrics; the user's mistake only where the user named the records."""
    config, out = pope(tmp_path / "pope", range(IMAGES)), tmp_path / "out"
    records = tmp_path / "records.json"
    records.write_text('[{"id": "a"')
    backend = Checkpoint(seeing, 8)  # type: ignore[arg-type]
    monkeypatch.setattr(runner, "open_backend", lambda model, opening: backend)
    known = ([TrainingRecords(records, tmp_path)], [])
    monkeypatch.setattr(training_data, "remembered", lambda model: known)
    words = ["eval", "seeing", "--task", f"pope:annotations={config.annotations}", "--out", str(out)]
    status = cli.main([*words, *(["--train-data", str(records)] if asked else [])])
    told = capsys.readouterr()
    assert status == (2 if asked else 0) and ("records.json" in told.err) == asked
    assert "could not be compared" in told.out and "records.json" in told.out
    page = (out / "report.html").read_text()
    assert "could not be compared" in page and "Items whose image" not in page
    written = json.loads((out / "metrics.json").read_text())
    assert "records.json" in written["overlap"]["failed"] and not (out / "overlap.jsonl").exists()
    assert written["tasks"]["pope_random"]["n"] == 12
    assert "overlap" not in written["tasks"]["pope_random"]


def test_several_images_or_none(tmp_path: Path, records: TrainingRecords) -> None:
    """Of several images one is enough; a question without an image is seen where it is asked."""
    tasks = build_tasks([pope(tmp_path / "pope", range(IMAGES))])
    items = [
        Item("two", "4.png", "Is there a thing0 in the image?", images=("4.png", "0.png")),
        Item("new", "4.png", "Is it art?", images=("4.png", "5.png")),
        Item("text", "", "Is there a THING3 in the image?"),
        Item("new text", "", "Is it art?"),
    ]
    found = find_overlap(tasks, {"pope_random": items}, [records]).sightings
    assert set(found) == {("pope_random", "two"), ("pope_random", "text")}
    both, text = found["pope_random", "two"].both, found["pope_random", "text"].both
    assert both is not None and both["id"] == "a"
    assert text is not None and text["id"] == "d"


@pytest.mark.parametrize("task", ["chair", "vqav2"])
def test_descriptions_have_no_question_of_their_own(
    task: str, tmp_path: Path, records: TrainingRecords, seeing: SeeingEngine, world: Any
) -> None:
    asked = [record("e", "What colour is it?"), record("f", "Describe this image in detail.")]
    records.path.write_text(json.dumps(asked))
    out, config = tmp_path / "out", world.configs[task]
    results = run(config, out, seeing)
    add_overlap(results, out, build_tasks([config]), [records])
    found = results["tasks"][task]["overlap"]
    assert (found["images"], found["questions"], found["both"]) == (0, 0 if task == "chair" else 12, 0)
    assert found["clean"]["metrics"] == results["tasks"][task]["metrics"]


@pytest.mark.parametrize(
    ("words", "message"),
    [("{folder}/nothing.json", "no such file"), ("{folder}/records.json,images={folder}/no", "image folder")],
)
def test_wrong_files_are_told(words: str, message: str, records: TrainingRecords) -> None:
    with pytest.raises(UserError, match=message):
        named([words.format(folder=records.images)])
    with pytest.raises(UserError, match="cannot read"):
        named([f"{records.path},root=x"])


def test_a_checkpoint_remembers_its_data_and_its_parents(tmp_path: Path, records: TrainingRecords) -> None:
    import hashlib

    def write(folder: Path, path: Path, parent: Path | None = None, rows: int = 4) -> Path:
        folder.mkdir()
        known = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "x"
        manifest: dict[str, Any] = {
            "data": {"train": [{"path": str(path), "fingerprint": known, "records": rows}]},
            "recipe": {"data": {"train": [{"path": str(path), "image_root": None}]}},
            "parent": None,
        }
        if parent:
            sha256 = hashlib.sha256((parent / "mmtune.json").read_bytes()).hexdigest()
            manifest["parent"] = {"folder": str(parent), "sha256": sha256}
        (folder / "mmtune.json").write_text(json.dumps(manifest))
        return folder

    first = write(tmp_path / "first", records.path)
    second = write(tmp_path / "second", tmp_path / "gone.json", first)
    found, notes = remembered(str(second))
    assert [one.path for one in found] == [records.path]
    assert notes == [f"training data {tmp_path / 'gone.json'} is not on this machine"]
    records.path.write_text(records.path.read_text() + " ")
    assert "has changed since" in remembered(str(first))[1][0]
    (first / "mmtune.json").write_text("{}")
    assert "grew from is gone" in remembered(str(second))[1][1]
    large = write(tmp_path / "large", records.path, rows=10**6)
    assert remembered(str(large))[0] == []
    assert "1,000,000 rows" in remembered(str(large))[1][0]
    assert remembered("hf:some/model") == ([], []) == remembered(str(tmp_path))


def test_torch_is_not_needed(tmp_path: Path, records: TrainingRecords) -> None:
    """Nothing on the way asks for it: an import of it would fail here."""
    config = pope(tmp_path / "pope", range(IMAGES))
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from eval.overlap import find_overlap\n"
        "from eval.tasks import TaskConfig, build_tasks\n"
        "from mmtune.commands.training_data import named\n"
        f"tasks = build_tasks([TaskConfig('pope', {config.annotations!r})])\n"
        "items = {name: task.load() for name, task in tasks.items()}\n"
        f"print(len(find_overlap(tasks, items, named([{str(records.path)!r}])).sightings))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "6"


def test_a_limited_run_compares_what_it_asked(
    tmp_path: Path, records: TrainingRecords, seeing: SeeingEngine
) -> None:
    config, out = pope(tmp_path / "pope", range(IMAGES)), tmp_path / "out"
    results = run(replace(config, limit=5), out, seeing)
    add_overlap(results, out, build_tasks([config]), [records])
    found = results["tasks"]["pope_random"]["overlap"]
    assert found["n"] == 5 == results["tasks"]["pope_random"]["n"]
    assert found["clean"]["n"] == 5 - found["images"]
