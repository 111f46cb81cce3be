"""Runs under torchrun: trains one recipe with several engines, each with benchmarks on the way and without."""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch.distributed as dist

from eval.in_training import open_benchmarks
from mmtune.train.loop import train
from mmtune.train.recipe import load_recipe
from mmtune.train.settings import EvalConfig
from mmtune.train.whole_model import WholeModel


def main(folder: Path, runs: list[str]) -> None:
    """Each run is ``engine-precision``."""
    dist.init_process_group("gloo")
    for name in runs:
        engine, _, precision = name.partition("-")
        report: dict[str, Any] = {}
        try:
            settings = [f"--engine.name={engine}", f"--engine.precision={precision}"]
            recipe = load_recipe(folder / "recipe.yaml", [*settings, f"--out={folder / name}"])
            held: list[int] = []
            watch(held)
            result = train(recipe, open_benchmarks)
            train(replace(recipe, out=f"{recipe.out}-plain", eval=EvalConfig()))
            report = {"checkpoint": str(result.checkpoint), "held": held}
        except BaseException:  # noqa: BLE001 - the parent shows it; the other ranks would wait for this one
            report = {"error": traceback.format_exc()}
        (folder / f"{name}-rank{dist.get_rank()}.json").write_text(json.dumps(report))
        if "error" in report:
            os._exit(1)
    train(
        load_recipe(folder / "recipe.yaml", ["--engine.name=ddp", f"--out={folder / 'broken'}"]), open_broken
    )
    dist.destroy_process_group()


def open_broken(*tasks: Any, **settings: Any) -> Any:
    """Benchmarks that the second rank, and it alone, cannot be asked the second time."""
    benchmarks = open_benchmarks(*tasks, **settings)
    ask, left = benchmarks.ask, iter((True, False, True))

    def broken(bundle: Any, rank: int, world: int) -> Any:
        if not next(left) and rank == 1:
            raise ZeroDivisionError("on one rank")
        return ask(bundle, rank, world)

    object.__setattr__(benchmarks, "ask", broken)
    return benchmarks


def watch(held: list[int]) -> None:
    """Note how many numbers the model has that is asked, on this rank."""
    filled = WholeModel._filled

    def watched(self: WholeModel, hollow: Any) -> Any:
        model = filled(self, hollow)
        held.append(sum(p.numel() for p in model.parameters()))
        return model

    WholeModel._filled = watched  # type: ignore[method-assign]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
