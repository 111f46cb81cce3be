"""The recipes of the two stages, with the job's own folder in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmtune.assets import shipped

if TYPE_CHECKING:
    from mmtune.train.recipe import Recipe

RECIPE_OUT = "OUT/quickstart"
"""Where the recipes put their files when they are run by hand; the job's folder stands in for it."""


def stage_recipe(stage: str, out: Path, seed: int, overrides: Sequence[str]) -> Recipe:
    """``recipes/quickstart/STAGE.yaml`` for a job in ``out``, to be run from any folder.

    Args:
        stage: align or tune.
        out: the job's folder; the stage runs in ``out/STAGE``.
        seed: of training.
        overrides: further recipe keys, as ``--optim.steps=4``.
    """
    from mmtune.train.recipe import load_recipe

    own = [f"--out={out / stage}", f"--seed={seed}"]
    recipe: Recipe = _placed(
        load_recipe(shipped(f"recipes/quickstart/{stage}.yaml"), [*overrides, *own]), out
    )
    return recipe


def _placed(value: Any, out: Path) -> Any:
    """Put the job's folder, and the shipped backbones' place, into the paths of a recipe."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _placed(getattr(value, f.name), out) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    if isinstance(value, list):
        return [_placed(item, out) for item in value]
    if not isinstance(value, str):
        return value
    kind, colon, path = value.rpartition(":")
    if path == RECIPE_OUT or path.startswith(f"{RECIPE_OUT}/"):
        return str(out) + path.removeprefix(RECIPE_OUT)
    if path.startswith("data_builders/"):
        return kind + colon + str(shipped(path))
    return value
