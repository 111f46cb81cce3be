"""How much of everything a quickstart does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """The size of a job."""

    scenes: dict[str, int]
    """Scenes of each split, as ``data_builders.miniworld.build`` takes them."""
    overrides: tuple[str, ...] = ()
    """Recipe keys of both stages."""
    limit: int | None = None
    """Items of each benchmark; None takes all."""
    resamples: int = 1000
    """Draws of the bootstrap."""


SCALES = {
    "full": Scale({"train_scenes": 8000, "test_scenes": 400, "val_scenes": 200}),
    "smoke": Scale(
        {"train_scenes": 96, "test_scenes": 12, "val_scenes": 8},
        overrides=(
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
"""``full`` is the job that the figures in the docs are of; ``smoke`` takes the same path in a minute."""
