"""The heading of a run's report counts the benchmarks that are in it."""

from __future__ import annotations

import shutil

import pytest

from mmtune import cli
from tests.tiny_checkpoint import tiny_checkpoint


@pytest.mark.parametrize(("splits", "words"), [((), "1 benchmark<"), (("popular",), "2 benchmarks<")])
def test_a_folder_of_popes_splits_is_as_many_benchmarks_as_it_has_splits(world, tmp_path, splits, words):
    folder = tmp_path / "pope"
    folder.mkdir()
    for split in ("random", *splits):
        shutil.copy(world.configs["pope"].annotations, folder / f"coco_pope_{split}.json")
    task = f"pope:annotations={folder},images={world.root / 'images'},limit=2,max_new_tokens=1"
    out = tmp_path / "out"
    model = str(tiny_checkpoint(tmp_path))
    assert cli.main(["eval", model, "--task", task, "--no-blind", "--device", "cpu", "--out", str(out)]) == 0
    assert f"on {words}" in (out / "report.html").read_text()
