"""The benchmarks of a miniworld, the check of alignment alone, and the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mmtune.phases import Result
from mmtune.quickstart.scales import Scale

if TYPE_CHECKING:
    from eval.tasks import TaskConfig
    from mmtune.train.recipe import Recipe


def miniworld_tasks(data: Path, limit: int | None = None) -> list[TaskConfig]:
    """The benchmarks of a miniworld folder, read from its official files.

    Args:
        data: what ``mmtune build miniworld`` wrote.
        limit: items of each benchmark; all by default.
    """
    from eval.tasks import TaskConfig

    images, coco = str(data / "images" / "test"), str(data / "coco" / "test")
    questions, answers = str(data / "vqa" / "questions.json"), str(data / "vqa" / "annotations.json")
    # The miniworld's questions ask for short answers as they are, so the prompts are bare.
    pope = [
        TaskConfig("pope", str(data / "pope" / f"{split}.json"), images, prompt="bare", limit=limit)
        for split in ("random", "popular", "adversarial")
    ]
    return [
        *pope,
        TaskConfig("vqav2", answers, images, questions, prompt="bare", limit=limit),
        TaskConfig("chair", coco, images, limit=limit),
        TaskConfig("captions", coco, images, limit=limit),
    ]


def evaluate(model: Path, data: Path, folder: Path, scale: Scale, seed: int) -> Result:
    """All benchmarks of the tuned model, beside the blind baseline, into ``folder``."""
    from eval.results import refuse_unanswered
    from eval.runner import run

    results = run(model, miniworld_tasks(data, scale.limit), folder, resamples=scale.resamples, seed=seed)
    refuse_unanswered(results or {"tasks": {}})
    return {}


def evaluate_alignment(recipe: Recipe, aligned: str, data: Path, folder: Path, scale: Scale) -> Result:
    """Short descriptions of the aligned model beside those of the same model with an untrained projector.

    Args:
        recipe: of the align stage; its seed also makes the untrained projector.
        aligned: checkpoint of that stage.
        data: the miniworld.
        folder: gets a folder of results for each.
        scale: items and draws.

    Returns:
        name → metric → {value, low, high, n}.
    """
    from eval.runner import evaluate as run
    from eval.tasks import build_tasks
    from mmtune.decode.engine import Engine
    from mmtune.models.building import build

    engines = {
        "untrained projector": lambda: Engine(
            build(recipe.model, template=recipe.template, seed=recipe.seed)
        ),
        "after align": lambda: Engine.from_checkpoint(aligned),
    }
    tasks = [task for task in miniworld_tasks(data, scale.limit) if task.task == "captions"]
    found: Result = {}
    for name, engine in engines.items():
        results = run(
            engine(),
            build_tasks(tasks),
            folder / name.replace(" ", "_"),
            blind=False,
            resamples=scale.resamples,
            seed=recipe.seed,
            checkpoint=name,
        )
        found[name] = results["tasks"]["captions"]["metrics"]
    return found


def report(out: Path, seconds: Mapping[str, float], captions: Result) -> tuple[Path, Result]:
    """Write ``report.html`` and ``metrics.json`` into the job's folder.

    Args:
        out: the job's folder.
        seconds: phase → how long it took.
        captions: what ``evaluate_alignment`` found.
    """
    from eval.json_files import write_json
    from eval.report import write_report

    results: Result = json.loads((out / "eval" / "metrics.json").read_text(encoding="utf-8"))
    comparisons = {"Align alone, before tune: short descriptions": captions}
    write_json(out / "metrics.json", results | {"comparisons": comparisons, "seconds": dict(seconds)})
    path = write_report(
        out,
        results=results,
        predictions=out / "eval" / "predictions.jsonl",
        runs={stage: out / stage for stage in ("align", "tune")},
        timings=seconds,
        comparisons=comparisons,
        heading="mmtune quickstart",
    )
    return path, results
