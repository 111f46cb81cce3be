"""Runs to compare: of scores alone, and of engines that look at images."""

from __future__ import annotations

import pytest

from eval.runner import evaluate
from eval.tasks import TaskConfig, build_tasks
from tests.stored_runs import PLAIN, right_or_wrong, write_run
from tests.unit.eval.conftest import SeeingEngine


@pytest.fixture
def pair(tmp_path):
    """31 questions; the first run alone has 2 right, the second alone 9."""
    first = [1] * 2 + [0] * 9 + [1] * 15 + [0] * 5
    second = [0] * 2 + [1] * 9 + [1] * 15 + [0] * 5
    return [
        write_run(tmp_path / name, {"plain": (PLAIN, right_or_wrong(values))})
        for name, values in (("before", first), ("after", second))
    ]


class BlurredEngine(SeeingEngine):
    """Takes every blue image for a red one."""

    def _look(self, request):
        seen = super()._look(request)
        return "red" if seen == "blue" else seen


@pytest.fixture
def seen_runs(world, seeing, tmp_path):
    """The same benchmarks asked of an engine that sees and of one that takes blue for red."""
    tasks = [
        *world.configs.values(),
        TaskConfig("coco_captions", str(world.root / "coco/captions_val.json"), str(world.root / "images")),
    ]
    for name, engine in (("sharp", seeing), ("blurred", BlurredEngine("second"))):
        evaluate(
            engine, build_tasks(tasks), tmp_path / name, resamples=20, blind=name == "sharp", checkpoint=name
        )
    return tmp_path / "sharp", tmp_path / "blurred"
