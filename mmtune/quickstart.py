"""The main job on the embedded miniworld: build data, align, tune, evaluate, report."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtune.assets import shipped
from mmtune.phases import Phases, Result, code_hash
from mmtune.progress import Progress, file_log

if TYPE_CHECKING:
    from eval.tasks import TaskConfig
    from mmtune.models.bundle import Bundle
    from mmtune.train.recipe import Recipe

RECIPE_OUT = "OUT/quickstart"
"""Where the quickstart's recipes put their files; the command's own folder stands in for it."""


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    scenes: dict[str, int]
    """Scenes of each split, as ``data_builders.miniworld.build`` takes them."""
    overrides: tuple[str, ...] = ()
    """Recipe keys of both stages."""
    limit: int | None = None
    """Items of each benchmark."""
    resamples: int = 1000
    """Draws of the bootstrap."""


SCALES = {
    "full": Scale({"train_scenes": 8000, "test_scenes": 400, "val_scenes": 200}),
    "smoke": Scale(
        {"train_scenes": 96, "test_scenes": 12, "val_scenes": 8},
        (
            "--optim.steps=4",
            "--optim.batch_records=8",
            "--validation.records=8",
            "--validation.samples=1",
            "--validation.every=2",
            "--checkpoint.every=2",
        ),
        limit=8,
        resamples=50,
    ),
}


def run(out: Path, *, scale: str = "full", seed: int = 0) -> Result:
    """Do the whole job; phases that are done and unchanged are not done again.

    Args:
        out: the folder for everything; it is made where it is absent.
        scale: a name in ``SCALES``.
        seed: of the data and of training.

    Returns:
        The evaluation's results, as ``eval.runner.evaluate`` gives them.

    Raises:
        KeyboardInterrupt: training was interrupted; it has saved, and the same call goes on from there.
    """
    job = _Job(out.resolve(), SCALES[scale], seed)
    with file_log(job.out):
        phases = Phases(job.out)
        code = code_hash([shipped(name) for name in ("mmtune", "data_builders", "eval")])
        phases.run("data", {"scenes": job.scale.scenes, "seed": seed, "code": code}, job.build)
        align = job.recipe("align")
        aligned = phases.run("align", dataclasses.asdict(align), lambda folder: job.train(align))
        tune = job.recipe("tune", f"--model.checkpoint={aligned['checkpoint']}")
        tuned = phases.run("tune", dataclasses.asdict(tune), lambda folder: job.train(tune))
        phases.run("model", {}, lambda folder: job.keep(Path(tuned["checkpoint"]), folder))
        phases.run("eval", job.scale.limit, job.evaluate)
        phases.run(
            "eval_align", job.scale.limit, lambda folder: job.evaluate_alignment(align, aligned, folder)
        )
        return job.report(phases)


@dataclass(frozen=True)
class _Job:
    """One quickstart: where it works, how much it does."""

    out: Path
    scale: Scale
    seed: int

    @property
    def data(self) -> Path:
        return self.out / "data"

    def build(self, folder: Path) -> Result:
        from data_builders.miniworld import build

        total = sum(self.scale.scenes.values())
        with Progress(total, "build scenes", unit="scene") as progress:
            manifest = build(
                folder,
                **self.scale.scenes,
                seed=self.seed,
                workers=os.cpu_count() or 1,
                progress=lambda done, _: progress.advance(done - progress.done),
            )
        return dict(manifest.counts)

    def recipe(self, stage: str, *overrides: str) -> Recipe:
        """A stage's recipe with this job's folders, scale and seed in it."""
        from mmtune.train.recipe import load_recipe

        own = [f"--out={self.out / stage}", f"--seed={self.seed}", *overrides]
        recipe = load_recipe(shipped(f"recipes/quickstart/{stage}.yaml"), [*self.scale.overrides, *own])
        placed: Recipe = self._placed(recipe)
        return placed

    def _placed(self, value: Any) -> Any:
        """Put this job's folder and the shipped backbones' in place of the paths that a recipe names."""
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {f.name: self._placed(getattr(value, f.name)) for f in dataclasses.fields(value)}
            return dataclasses.replace(value, **fields)
        if isinstance(value, list):
            return [self._placed(item) for item in value]
        if not isinstance(value, str):
            return value
        kind, colon, path = value.rpartition(":")
        if path == RECIPE_OUT or path.startswith(f"{RECIPE_OUT}/"):
            return str(self.out) + path.removeprefix(RECIPE_OUT)
        if path.startswith("data_builders/"):
            return kind + colon + str(shipped(path))
        return value

    def train(self, recipe: Recipe) -> Result:
        from mmtune.train.loop import train

        result = train(recipe)
        if result.interrupted:
            raise KeyboardInterrupt
        return {"checkpoint": str(result.checkpoint), "validation_loss": result.validation_loss}

    def keep(self, checkpoint: Path, folder: Path) -> Result:
        """Copy the model, without its training state, to where chat, demo and eval find it."""
        shutil.rmtree(folder)
        partial = folder.with_name(".model.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(checkpoint, partial, ignore=shutil.ignore_patterns("state"))
        partial.rename(folder)
        return {}

    def evaluate(self, folder: Path) -> Result:
        from eval.runner import run as run_eval

        tasks = miniworld_tasks(self.data, self.scale.limit)
        run_eval(self.out / "model", tasks, folder, resamples=self.scale.resamples, seed=self.seed)
        return {}

    def evaluate_alignment(self, recipe: Recipe, aligned: Result, folder: Path) -> Result:
        """Short descriptions of the aligned model beside those of an untrained projector."""
        from eval.runner import evaluate
        from eval.tasks import build_tasks
        from mmtune.decode.engine import Engine
        from mmtune.models.bundle import build

        def engine_of(name: str) -> Engine:
            if name == "aligned":
                return Engine.from_checkpoint(aligned["checkpoint"])
            untrained: Bundle = build(recipe.model, template=recipe.template, seed=self.seed)
            return Engine(untrained)

        wanted = [task for task in miniworld_tasks(self.data, self.scale.limit) if task.task == "captions"]
        found: Result = {}
        for name in ("untrained", "aligned"):
            results = evaluate(
                engine_of(name),
                build_tasks(wanted),
                folder / name,
                blind=False,
                resamples=self.scale.resamples,
                seed=self.seed,
                checkpoint=name,
            )
            found[name] = results["tasks"]["captions"]["metrics"]
        return found

    def report(self, phases: Phases) -> Result:
        results: Result = json.loads((self.out / "eval" / "metrics.json").read_text(encoding="utf-8"))
        return results


def miniworld_tasks(data: Path, limit: int | None = None) -> list[TaskConfig]:
    """The benchmarks of a miniworld folder, read from its official files.

    Args:
        data: what ``mmtune build miniworld`` wrote.
        limit: items of each benchmark; all by default.
    """
    from eval.tasks import TaskConfig

    images = str(data / "images" / "test")
    splits = [
        TaskConfig(
            "pope",
            str(data / "pope" / f"{split}.json"),
            images,
            name=f"pope_{split}",
            prompt="bare",
            limit=limit,
        )
        for split in ("random", "popular", "adversarial")
    ]
    questions, answers = str(data / "vqa" / "questions.json"), str(data / "vqa" / "annotations.json")
    coco = str(data / "coco" / "test")
    return [
        *splits,
        TaskConfig("vqav2", answers, images, questions, prompt="bare", limit=limit),
        TaskConfig("chair", coco, images, limit=limit),
        TaskConfig("captions", coco, images, limit=limit),
    ]
