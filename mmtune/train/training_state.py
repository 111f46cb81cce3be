"""What a checkpoint keeps beside the weights so that a run goes on as if it had never stopped."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from mmtune.errors import UserError

FOLDER = "state"
"""Folder of the training state inside a checkpoint."""


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    """Optimiser steps done."""
    loader: dict[str, Any] = field(default_factory=dict)
    """The loader's own state."""
    loss: float | None = None
    """Training loss of the last step."""
    validation_loss: float | None = None
    """Validation loss of the last validation."""
    best_validation_loss: float | None = None
    """Lowest validation loss so far."""
    supervised_tokens: int = 0
    """Supervised tokens learnt from so far."""
    world: int = 1
    """Processes at the time of saving."""
    recipe: dict[str, Any] = field(default_factory=dict)
    """The recipe that started the run."""


def write_progress(folder: Path, progress: Progress) -> None:
    """Write ``progress.json``."""
    (folder / "progress.json").write_text(json.dumps(asdict(progress), indent=1), encoding="utf-8")


def read_progress(folder: Path) -> Progress:
    """Read ``progress.json`` of a checkpoint's training state.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        return Progress(**json.loads((folder / "progress.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"the training state cannot be read: {error}", str(folder), "resume from another checkpoint"
        ) from None


def write_rng(folder: Path, rank: int) -> None:
    """Write the state of every random generator of this rank."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    tensors = {
        "torch": torch.get_rng_state(),
        "python": torch.tensor(words, dtype=torch.int64),
        "numpy": torch.from_numpy(np.asarray(keys).astype(np.int64)),
    }
    if torch.cuda.is_available():
        tensors["cuda"] = torch.cuda.get_rng_state()
    metadata = {
        "python": json.dumps([version, gauss]),
        "numpy": json.dumps([name, int(position), int(has_gauss), float(cached)]),
    }
    save_file(tensors, str(_rng_file(folder, rank)))
    _rng_file(folder, rank).with_suffix(".json").write_text(json.dumps(metadata), encoding="utf-8")


def restore_rng(folder: Path, rank: int) -> bool:
    """Restore the generators of this rank; False where the run that saved had no such rank."""
    path = _rng_file(folder, rank)
    if not path.exists():
        return False
    tensors = load_file(str(path))
    metadata = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    version, gauss = json.loads(metadata["python"])
    name, position, has_gauss, cached = json.loads(metadata["numpy"])
    random.setstate((version, tuple(tensors["python"].tolist()), gauss))
    np.random.set_state((name, tensors["numpy"].numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(tensors["torch"])
    if "cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["cuda"])
    return True


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _rng_file(folder: Path, rank: int) -> Path:
    return folder / f"rng-{rank:05d}.safetensors"
