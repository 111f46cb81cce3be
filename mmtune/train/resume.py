"""Whether and from where a run goes on."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmtune.errors import UserError
from mmtune.train import training_state
from mmtune.train.checkpoints import complete_checkpoints, step_of
from mmtune.train.recipe import plain
from mmtune.train.settings import Recipe

log = logging.getLogger(__name__)

_CHANGES_ARITHMETIC = ("engine.precision",)
"""Settings that may change, too, since the recipe of what is learnt stays, but not without a word."""

_FREE = (
    "out",
    "tensorboard",
    "engine",
    "checkpoint",
    "validation",
    "eval",
    "data.workers",
    "data.quarantine_budget",
)
"""Settings that may change between a run's parts without changing what it learns."""

_PROLONGING = ("optim.steps", "optim.epochs")


def find(recipe: Recipe) -> Path | None:
    """The checkpoint to go on from, or None for a new run.

    Raises:
        UserError: a named checkpoint is not there, has no training state or is older than one in the run
            folder, or that folder holds a run of another recipe.
    """
    out, wanted = Path(recipe.out), recipe.checkpoint.resume
    found = complete_checkpoints(out)
    if wanted == "never":
        if found:
            raise UserError(
                "the run folder already holds checkpoints of an earlier run",
                str(out),
                "give another --out, delete that folder, or set checkpoint.resume to auto",
            )
        return None
    if wanted == "auto":
        if not found:
            return None
        folder = found[-1]
    else:
        folder = Path(wanted)
        if not (folder / training_state.FOLDER).is_dir():
            raise UserError(
                "there is no checkpoint with a training state to resume from",
                wanted,
                "to start a new run from a checkpoint's weights, use model.checkpoint",
            )
        _none_is_newer(found, folder, out)
    _same_run(folder, recipe)
    return folder


def _none_is_newer(found: list[Path], folder: Path, out: Path) -> None:
    """Two branches in one folder: the lower steps of the new one would be pruned for the old one's."""
    newer = [path.name for path in found if step_of(path) > step_of(folder)]
    if newer:
        raise UserError(
            f"the run folder holds checkpoints that are newer than the one to resume: {', '.join(newer)}",
            str(out),
            "give another --out, or move the newer ones away; checkpoint.resume auto goes on from the newest",
        )


def _same_run(folder: Path, recipe: Recipe) -> None:
    before = _flat(training_state.read_progress(folder / training_state.FOLDER).recipe)
    now = _flat(plain(asdict(recipe)))
    changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    for key in [key for key in changed if key in _CHANGES_ARITHMETIC]:
        log.warning(
            "%s was %s and is now %s: the losses will not be the same", key, before.get(key), now.get(key)
        )
    changed = [key for key in changed if not any(key == free or key.startswith(f"{free}.") for free in _FREE)]
    for key in [key for key in changed if key in _PROLONGING]:
        log.warning(
            "%s was %s and is now %s: the schedule is stretched to it", key, before.get(key), now.get(key)
        )
    changed = [key for key in changed if key not in _PROLONGING]
    if changed:
        key = changed[0]
        more = f" (and {len(changed) - 1} more settings differ)" if len(changed) > 1 else ""
        raise UserError(
            f"the run in this folder was started with {key} {before.get(key)!r}, the recipe now says"
            f" {now.get(key)!r}{more}",
            str(folder),
            "give another --out for a new run, or the old value to go on",
        )


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, list) and any(isinstance(item, dict) for item in tree):
        items = ((str(number), item) for number, item in enumerate(tree))  # type: ignore[assignment]
    else:
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for key, value in items:
        flat |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return flat
