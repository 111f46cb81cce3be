"""Runs under torchrun: trains one recipe with several engines and kinds of adapters in turn."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import torch.distributed as dist

from mmtune.train.loop import train
from mmtune.train.recipe import load_recipe


def main(folder: Path, runs: list[str]) -> None:
    """Each run is ``adapter-engine``; half of its steps, then the rest from the checkpoint."""
    dist.init_process_group("gloo")
    for name in runs:
        kind, _, engine = name.partition("-")
        report: dict[str, Any] = {}
        try:
            settings = [f"--engine.name={engine}", f"--out={folder / name}"]
            recipe = load_recipe(folder / f"{kind}.yaml", settings)
            total = recipe.optim.steps
            recipe.optim.steps = 2
            recipe.checkpoint.final_state = True
            recipe.optim.schedule = "constant"  # the schedule follows the number of steps
            train(recipe)
            recipe.optim.steps = total
            again = train(recipe)
            report = {"step": again.step, "checkpoint": str(again.checkpoint)}
        except BaseException:  # noqa: BLE001 - the parent shows it; the other ranks would wait for this one
            report = {"error": traceback.format_exc()}
        (folder / f"{name}-rank{dist.get_rank()}.json").write_text(json.dumps(report))
        if "error" in report:
            os._exit(1)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
