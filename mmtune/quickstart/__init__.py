"""The main job on the embedded miniworld: build data, align, tune, evaluate, report."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from eval.environment import versions
from mmtune.assets import shipped
from mmtune.errors import UserError
from mmtune.phases import Phases, Result, code_hash
from mmtune.progress import Progress, file_log
from mmtune.quickstart.evaluation import evaluate, evaluate_alignment, report
from mmtune.quickstart.recipes import stage_recipe
from mmtune.quickstart.scales import SCALES

if TYPE_CHECKING:
    from mmtune.train.recipe import Recipe


def run(out: Path, *, scale: str = "full", seed: int = 0) -> tuple[Path, Result]:
    """Do the whole job; phases that are done and unchanged are not done again.

    Args:
        out: the folder for everything; it is made where it is absent.
        scale: a name in ``SCALES``.
        seed: of the data and of training.

    Returns:
        The report and the evaluation's results, as ``eval.runner.evaluate`` gives them.

    Raises:
        UserError: the folder holds a job of another scale or seed, which would be lost.
        KeyboardInterrupt: training was interrupted; it has saved, and the same call goes on from there.
    """
    out = out.resolve()
    size = SCALES[scale]
    data, model = out / "data", out / "model"
    code = code_hash([shipped(name) for name in ("mmtune", "data_builders", "eval")])
    _claim(out, scale, seed)
    with file_log(out):
        phases = Phases(out)
        phases.run(
            "data", [size.scenes, seed, code, versions()], lambda folder: _build(folder, size.scenes, seed)
        )

        align = stage_recipe("align", out, seed, size.overrides)
        aligned = phases.run("align", dataclasses.asdict(align), lambda folder: _train(align))
        start = f"--model.checkpoint={aligned['checkpoint']}"
        tune = stage_recipe("tune", out, seed, (*size.overrides, start))
        tuned = phases.run("tune", dataclasses.asdict(tune), lambda folder: _train(tune))
        phases.run("model", None, lambda folder: _keep(Path(tuned["checkpoint"]), folder))

        phases.run(
            "eval", [size.limit, size.resamples], lambda folder: evaluate(model, data, folder, size, seed)
        )
        captions = phases.run(
            "eval_align",
            [size.limit, size.resamples],
            lambda folder: evaluate_alignment(align, aligned["checkpoint"], data, folder, size),
        )
        return report(out, phases.seconds, captions)


def _claim(out: Path, scale: str, seed: int) -> None:
    """Note what job the folder is for; another one must not replace it."""
    note, job = out / "job.json", {"scale": scale, "seed": seed}
    if note.is_file():
        try:
            found = json.loads(note.read_text(encoding="utf-8"))
        except ValueError:
            found = None  # cut off while it was written, so nothing followed it
        if found and found != job:
            raise UserError(
                f"the folder holds the quickstart of scale {found['scale']} and seed {found['seed']}",
                str(out),
                "give another folder with --out, or remove this one",
            )
    out.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(job) + "\n", encoding="utf-8")


def _build(folder: Path, scenes: dict[str, int], seed: int) -> Result:
    from data_builders.miniworld import build

    with Progress(sum(scenes.values()), "build scenes", unit="scene") as progress:
        manifest = build(
            folder,
            **scenes,
            seed=seed,
            workers=os.cpu_count() or 1,
            progress=lambda done, _: progress.advance(done - progress.done),
        )
    return dict(manifest.counts)


def _train(recipe: Recipe) -> Result:
    from mmtune.train.loop import train

    result = train(recipe)
    if result.interrupted:
        raise KeyboardInterrupt
    return {"checkpoint": str(result.checkpoint), "validation_loss": result.validation_loss}


def _keep(checkpoint: Path, folder: Path) -> Result:
    """Copy the model, without its training state, to where chat, demo and eval find it."""
    partial = folder.with_name(".model.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(checkpoint, partial, ignore=shutil.ignore_patterns("state"))
    shutil.rmtree(folder)
    partial.rename(folder)
    return {}
