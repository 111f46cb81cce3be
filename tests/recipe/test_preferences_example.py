"""The worked example of docs/preferences.md runs as it stands there, and what comes out is what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from mmtune import cli
from mmtune.records import ImageRef, Preference, Record, Turn, iter_preferences, write_llava
from tests.commands import run

ROOT = Path(cli.__file__).resolve().parents[1]
DOCUMENT = (ROOT / "docs" / "preferences.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example")
    block = re.search(r"## A worked example\n.*?```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    assert block is not None
    for line in block[1].splitlines():
        run(shlex.split(line)[1:], folder)
    return folder


def test_the_worked_example(workplace: Path) -> None:
    out = workplace / "OUT"
    pairs = [pair for _, pair in iter_preferences(out / "pairs.jsonl")]
    assert len(pairs) > 600 and all(isinstance(pair, Preference) for pair in pairs)
    lines = (out / "trl.jsonl").read_text().splitlines()
    assert len(lines) == len(pairs) and set(json.loads(lines[0])) == {
        "images",
        "prompt",
        "chosen",
        "rejected",
    }
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_metadata(out / "rlaifv.parquet").num_rows == len(pairs)


def test_records_alone_are_enough_for_a_teacher_that_sees(workplace: Path) -> None:
    images = sorted((workplace / "OUT/data/images/val").iterdir())[:4]
    records = [
        Record(
            f"r{n}", (Turn("user", "<image>\nWhat?"), Turn("assistant", "A thing.")), (ImageRef(image.name),)
        )
        for n, image in enumerate(images)
    ]
    write_llava(workplace / "records.jsonl", records)
    records_file = str(workplace / "records.jsonl")
    words = ["build", "rlaif_v", "--records", records_file, "--image-root", str(images[0].parent)]
    # Rules know nothing of these images, so that their labeller finds no fault and says so.
    assert cli.main([*words, "--out", str(workplace / "none"), "--teacher", "rules"]) == 2
    rejected = (workplace / "none" / "rejected.jsonl").read_text().splitlines()
    assert [json.loads(line)["reason"] for line in rejected] == ["no candidate is better than another"] * 4
    said = run([*words, "--out", "dry", "--teacher", "rules", "--dry-run"], workplace)
    assert "units 4" in said
    assert cli.main(["build", "llava_detail", "--out", str(workplace / "x"), "--teacher", "rules"]) == 2
