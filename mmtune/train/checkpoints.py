"""Checkpoints of a run: complete or absent, pruned, and found again when the run goes on."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from mmtune.errors import UserError
from mmtune.models import checkpoint
from mmtune.models.adapters.base import Adapter
from mmtune.models.adapters.saved import load as load_adapter
from mmtune.models.bundle import Bundle
from mmtune.models.checkpoint import storage
from mmtune.models.checkpoint.adapters import files_of
from mmtune.models.vlm import ADAPTERS_PART
from mmtune.train import training_state
from mmtune.train.engines.base import Engine, PartStates
from mmtune.train.settings import Recipe
from mmtune.train.training_state import Progress

log = logging.getLogger(__name__)

_NAME = re.compile(r"step-(\d+)$")


def folder_of(out: Path, step: int) -> Path:
    """Where the checkpoint of a step is."""
    return out / "checkpoints" / f"step-{step:06d}"


def complete_checkpoints(out: Path) -> list[Path]:
    """Finished checkpoints of a run, oldest first."""
    found = [path for path in (out / "checkpoints").glob("step-*") if (path / checkpoint.MANIFEST).is_file()]
    return sorted((path for path in found if _NAME.search(path.name)), key=step_of)


def newest_of(path: str) -> str:
    """A checkpoint folder as it is; for a run's folder its newest checkpoint."""
    found = [] if (Path(path) / checkpoint.MANIFEST).is_file() else complete_checkpoints(Path(path))
    return str(found[-1]) if found else path


def step_of(folder: Path) -> int:
    """The step that a checkpoint was saved at."""
    return int(checkpoint.read_manifest(folder)["step"])


def saved_parts(bundle: Bundle, recipe: Recipe) -> list[str]:
    """Parts whose weights a checkpoint must hold: those that learn, and those that no backbone has."""
    model = bundle.model
    return [
        part
        for part in model.parts()
        if recipe.checkpoint.save_frozen or part in recipe.stage.own_weights or part not in bundle.references
    ]


def save(
    engine: Engine,
    bundle: Bundle,
    recipe: Recipe,
    progress: Progress,
    manifest: dict[str, Any],
    *,
    with_state: bool = True,
) -> Path:
    """Write the checkpoint of a step; every rank calls it and returns, or raises, together.

    The folder gets its name only when weights and training state are on the disk.

    Raises:
        UserError: the disk is full or cannot be written; nothing half-written is left.
    """
    final = folder_of(Path(recipe.out), progress.step)
    partial = final.with_name(f".incomplete-{final.name}")
    parts = saved_parts(bundle, recipe)
    tensors = engine.part_states(_with_adapters(bundle, parts))

    def write_weights() -> None:
        shutil.rmtree(partial, ignore_errors=True)
        needed = sum(t.nbytes for of_part in tensors.values() for t in of_part.values())
        _check_space(final.parent, needed * (3 if with_state else 1))
        try:
            checkpoint.save(partial, bundle, manifest=manifest, include=parts, tensors=tensors)
        except UserError as error:
            raise UserError(error.what, str(final), error.fix) from error
        (partial / training_state.FOLDER).mkdir()

    def write_state() -> None:
        folder = partial / training_state.FOLDER
        training_state.write_rng(folder, engine.rank)
        if engine.rank == 0:
            training_state.write_progress(folder, progress)
        if with_state:
            engine.save_state(folder)

    def publish() -> None:
        _sync_tree(partial / training_state.FOLDER)
        shutil.rmtree(final, ignore_errors=True)
        os.rename(partial, final)
        _sync(final.parent)

    try:
        _together(engine, write_weights if engine.rank == 0 else _nothing, final)
        _together(engine, write_state, final)
        _together(engine, publish if engine.rank == 0 else _nothing, final)
    except BaseException:  # a second Ctrl-C, too: nothing half-written stays
        if engine.rank == 0:
            shutil.rmtree(partial, ignore_errors=True)
        raise
    return final


def _nothing() -> None:
    return None


def _together(engine: Engine, work: Callable[[], None], where: Path) -> None:
    """Do each rank's work; where one fails, all raise, so that none waits for another."""
    error: UserError | None = None
    try:
        work()
    except UserError as own:
        error = own
    except Exception as own:  # a full disk has many kinds, and any that leaves here makes the others wait
        log.debug("the checkpoint cannot be written", exc_info=True)
        reason = own.strerror if isinstance(own, OSError) and own.strerror else str(own)
        error = UserError(
            f"the checkpoint cannot be written: {' '.join(reason.split()).rstrip('.')}",
            str(where),
            "free space on that disk; nothing was left half-written",
        )
    failed = [found for found in engine.gather(error) if found is not None]
    if failed:
        raise failed[0]


def _check_space(folder: Path, needed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"the disk is full: the checkpoint needs about {_bytes(needed)}, and {_bytes(free)} are free",
            str(folder),
            "free space on that disk; nothing was left half-written",
        )


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.2f} MB"


def _sync_tree(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prune(out: Path, keep: int) -> None:
    """Delete all but the newest ``keep`` checkpoints, and what an interrupted save has left."""
    for folder in complete_checkpoints(out)[:-keep]:
        try:  # under another name first: one that is half deleted must not look complete
            os.rename(folder, folder.with_name(f".deleting-{folder.name}"))
        except OSError as error:
            log.warning("the old checkpoint %s cannot be deleted: %s", folder, error.strerror)
    for partial in (out / "checkpoints").glob(".*step-*"):
        shutil.rmtree(partial, ignore_errors=True)


def verify(folder: Path, engine: Engine, bundle: Bundle, parts: Sequence[str]) -> None:
    """Read a fresh checkpoint back and compare it with the model; every rank calls it.

    Raises:
        UserError: it cannot be loaded, or is not what was saved.
    """
    tensors = engine.part_states(_with_adapters(bundle, parts))

    def compare() -> None:
        checkpoint.load(folder, meta=True)
        _compare_adapters(folder, bundle, tensors)
        for part in parts:
            for file in part_files(folder, part):
                for name, saved in _read(file).items():
                    if not torch.equal(saved, tensors[part][name]):
                        raise UserError(f"the saved weight {part}.{name} differs from the model's", str(file))

    _together(engine, compare if engine.rank == 0 else _nothing, folder)


def _with_adapters(bundle: Bundle, parts: Sequence[str]) -> list[str]:
    return [*parts, *([ADAPTERS_PART] if bundle.model.adapters else [])]


def _compare_adapters(folder: Path, bundle: Bundle, tensors: PartStates) -> None:
    for part, (adapter, saved) in _saved_adapters(folder, bundle).items():
        prefix = f"{part}."
        own = {n[len(prefix) :]: t for n, t in tensors[ADAPTERS_PART].items() if n.startswith(prefix)}
        for name, tensor in adapter.names(own).items():
            if not torch.equal(saved[name], tensor):
                raise UserError(f"the saved weight {name} of the {part} adapter differs", str(folder))


def _saved_adapters(folder: Path, bundle: Bundle) -> dict[str, tuple[Adapter, dict[str, torch.Tensor]]]:
    """The adapters of a model, each with the weights that a checkpoint has of it."""
    entries = checkpoint.read_manifest(folder).get("adapters", {})
    return {
        part: (adapter, storage.read_tensors(files_of(folder, entries[part])))
        for part, adapter in bundle.model.adapters.items()
    }


def part_files(folder: Path, part: str) -> list[Path]:
    """Weight files of a part in a checkpoint; empty where it is only referred to."""
    return [folder / name for name in checkpoint.read_manifest(folder)["parts"][part]["files"]]


def _read(file: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(str(file))


def load_weights(folder: Path, bundle: Bundle) -> None:
    """Put the weights of a run's own checkpoint into the model, before an engine wraps it."""
    for part, module in bundle.model.parts().items():
        files = part_files(folder, part)
        if files:
            storage.load_tensors(module, files, part)
    for part, (adapter, tensors) in _saved_adapters(folder, bundle).items():
        load_adapter(adapter, bundle.model.parts()[part], tensors, folder)
