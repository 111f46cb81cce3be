"""Runs under torchrun: trains one recipe with several engines in turn and reports what each one was and did."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch.distributed as dist

from mmtune.train import objectives
from mmtune.train.engines import EngineError
from mmtune.train.engines.deepspeed_zero import Zero3
from mmtune.train.loop import train
from mmtune.train.recipe import load_recipe


def main(folder: Path, engines: list[str]) -> None:
    """Train with each engine, stopped by a signal after two steps and then resumed."""
    dist.init_process_group("gloo")
    for name in engines:
        engine, _, precision = name.partition("-")
        report: dict[str, Any] = {}
        try:
            recipe = load_recipe(
                folder / "recipe.yaml",
                [f"--engine.name={engine}", f"--engine.precision={precision}", f"--out={folder / name}"],
            )
            images = count_images()
            first = with_signal(recipe, after_step=2)
            again = train(replace(recipe))
            report = {
                "stopped": [first.step, first.interrupted, first.checkpoint.name],
                "ended": [again.step, again.interrupted],
                "images": images,
                "checkpoint": str(again.checkpoint),
            }
        except BaseException:  # noqa: BLE001 - the parent shows it; the other ranks would wait for this one
            report = {"error": traceback.format_exc()}
        (folder / f"{name}-rank{dist.get_rank()}.json").write_text(json.dumps(report))
        if "error" in report:
            os._exit(1)
    (folder / f"liar-rank{dist.get_rank()}.json").write_text(json.dumps({"error": lie(folder)}))
    dist.destroy_process_group()


def lie(folder: Path) -> str:
    """What becomes of a ZeRO-3 whose settings say stage 2."""
    settings = Zero3._settings

    def two(self: Zero3, clip: float | None) -> dict[str, Any]:
        found = settings(self, clip)
        found["zero_optimization"]["stage"] = 2
        return found

    Zero3._settings = two  # type: ignore[method-assign]
    try:
        train(load_recipe(folder / "recipe.yaml", ["--engine.name=zero3", f"--out={folder / 'liar'}"]))
    except EngineError as error:
        return str(error)
    return "nothing"


def count_images() -> list[int]:
    """Images of every row that this rank will run, in order."""
    images: list[int] = []

    def counting(model: Any, batch: Any) -> Any:
        images.append(len(batch.image_views))
        return SFT(model, batch)

    objectives.OBJECTIVES["sft"] = counting
    return images


def with_signal(recipe: Any, after_step: int) -> Any:
    """Train until rank 0 alone gets SIGTERM during step ``after_step``: all ranks have to stop together."""
    rows = 0
    inner = objectives.OBJECTIVES["sft"]

    def signalling(model: Any, batch: Any) -> Any:
        nonlocal rows
        rows += 1
        if dist.get_rank() == 0 and rows == 3 * after_step:  # three rows a step on each rank
            os.kill(os.getpid(), signal.SIGTERM)
        return inner(model, batch)

    objectives.OBJECTIVES["sft"] = signalling
    try:
        return train(recipe)
    finally:
        objectives.OBJECTIVES["sft"] = inner


SFT = objectives.OBJECTIVES["sft"]

if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
