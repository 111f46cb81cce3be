"""When and what a run saves: before the first step, from time to time, at the end, however that comes."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

from mmtune.errors import UserError
from mmtune.models.bundle import Bundle
from mmtune.train import checkpoints
from mmtune.train.engines.base import Engine
from mmtune.train.feeding import Feeding
from mmtune.train.recipe import plain
from mmtune.train.settings import Recipe
from mmtune.train.training_state import Progress

log = logging.getLogger(__name__)


class Saver:
    """Saves the checkpoints of one run; every rank calls each method together.

    Args:
        recipe: what to keep.
        engine: holds the weights.
        bundle: the model.
        feeding: the data, for the manifest.
        progress: where the run stands; read at each save.
        total: steps of the whole run.
    """

    def __init__(
        self, recipe: Recipe, engine: Engine, bundle: Bundle, feeding: Feeding, progress: Progress, total: int
    ) -> None:
        self.recipe = recipe
        self.engine = engine
        self.bundle = bundle
        self.feeding = feeding
        self.progress = progress
        self.total = total
        self.out = Path(recipe.out)
        found = checkpoints.complete_checkpoints(self.out)
        self.newest = found[-1] if found else None

    def before_the_first_step(self) -> None:
        """Save and read back, so that a failing save costs seconds and not the run."""
        if self.progress.step > 0 and self.newest is not None:
            return
        folder = self._save()
        parts = checkpoints.saved_parts(self.bundle, self.recipe)
        checkpoints.verify(folder, self.engine, self.bundle, parts)

    def now_and_then(self) -> None:
        """Save in mid-run; where that fails the run goes on, since what it learnt is only in memory."""
        try:
            self._save()
        except UserError as error:
            log.error("%s The run goes on without this checkpoint.", error)

    def what_there_is(self) -> None:
        """Save the last step that was done, where the run ends by an error that is told next."""
        try:
            self.at_the_end()
        except UserError as error:
            log.error("%s What was learnt since %s is lost.", error, self.newest)

    def at_the_end(self) -> Path:
        """Save the last step, unless that has just been done."""
        if self.newest is None or checkpoints.step_of(self.newest) < self.progress.step:
            finished = self.progress.step >= self.total
            self._save(with_state=not finished or self.recipe.checkpoint.final_state)
        assert self.newest is not None
        return self.newest

    def _save(self, *, with_state: bool = True) -> Path:
        recipe, progress = self.recipe, self.progress
        manifest = {
            "step": progress.step,
            "stage": recipe.stage.name,
            "recipe": plain(asdict(recipe)),
            "data": self.feeding.manifest(),
            "training": {
                "steps": self.total,
                "loss": progress.loss,
                "validation_loss": progress.validation_loss,
                "supervised_tokens": progress.supervised_tokens,
                "engine": self.engine.describe(),
            },
        }
        self.newest = checkpoints.save(
            self.engine, self.bundle, recipe, progress, manifest, with_state=with_state
        )
        if self.engine.rank == 0:
            checkpoints.prune(self.out, recipe.checkpoint.keep)
        return self.newest
