"""An evaluation that is killed goes on where it was; several processes give the answers of one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from tests import processes, two_processes
from tests.killed_evals import BATCH
from tests.tiny_checkpoint import tiny_checkpoint
from tests.unit.eval.conftest import write_world

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, official files, and what ten kills have left."""
    folder = tmp_path_factory.mktemp("killed")
    tiny_checkpoint(folder)
    world = write_world(folder / "world")
    for number, path in enumerate(sorted((world.root / "images").iterdir())):
        image = Image.open(path)
        image.putpixel((0, 0), (number, 0, 0))  # what is known of one image is not known of another
        image.save(path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = processes.run(["-m", "tests.killed_evals", str(folder), str(KILLS)], env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / "report.json").write_text(done.stdout.splitlines()[-1])
    return folder


def test_ten_kills_leave_the_same_answers_and_ask_again_only_what_was_under_way(folder: Path) -> None:
    report = json.loads((folder / "report.json").read_text())
    assert (report["struck"], report["status"]) == (KILLS, 0)
    answered = 0
    for asked, after in report["runs"]:
        assert after - answered <= asked <= after - answered + BATCH
        answered = after
    assert answered == report["answers"]
    for file in ("predictions.jsonl", "answers/vqav2.answers.json", "answers/pope_random.answers.jsonl"):
        assert (folder / "killed" / file).read_bytes() == (folder / "whole" / file).read_bytes()
    whole, killed = (json.loads((folder / name / "metrics.json").read_text()) for name in ("whole", "killed"))
    for name, task in whole["tasks"].items():
        # Probabilities are sums in an order that the batch decides: equal but for the last digits.
        sure, surely = (one["tasks"][name].pop("confidence") for one in (whole, killed))
        assert surely["generated"]["brier"] == pytest.approx(sure["generated"]["brier"], abs=1e-5)
        assert killed["tasks"][name] == task | {"answers_file": killed["tasks"][name]["answers_file"]}


def test_two_processes_give_the_answers_of_one(folder: Path) -> None:
    root = folder / "world"
    images = f"images={root / 'images'}"
    texts = [
        f"pope:annotations={root / 'coco_pope_random.json'},{images},max_new_tokens=3",
        f"vqav2:annotations={root / 'annotations.json'},{images},questions={root / 'questions.json'},"
        "max_new_tokens=9",
    ]
    command = ["-m", "mmtune", "eval", str(folder / "checkpoint"), "--out", str(folder / "two")]
    words = [*command, "--batch-size", "7", *(word for text in texts for word in ("--task", text))]
    done = two_processes.two(words, ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (folder / name / "predictions.jsonl" for name in ("whole", "two"))
    assert two.read_bytes() == one.read_bytes()
    shares = [len((folder / "two" / name).read_text().splitlines()) for name in _journals(folder / "two")]
    assert len(shares) == 2 and max(shares) <= 1.5 * min(shares)
    metrics = json.loads((folder / "two" / "metrics.json").read_text())
    assert metrics["settings"]["processes"] == 2
    assert metrics["timing"]["answers"] == sum(shares)


def _journals(out: Path) -> list[str]:
    return [path.name for path in sorted(out.glob("answered*.jsonl"))]
