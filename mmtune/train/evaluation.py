"""Benchmarks during a run: every rank asks its share, the first one scores, and training notices nothing."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch

from mmtune.errors import UserError
from mmtune.models.bundle import Bundle
from mmtune.train.engines.base import Engine
from mmtune.train.interrupt import StopRequest
from mmtune.train.settings import Recipe
from mmtune.train.whole_model import WholeModel

log = logging.getLogger(__name__)

FOLDER = "eval"
"""Folder of a run with its predictions and metrics, by step."""


class EvaluationError(RuntimeError):
    """An evaluation came to nothing; every rank raises it, and training is as it was."""


class Benchmarks(Protocol):
    """Benchmarks whose files have been read."""

    def describe(self) -> list[str]:
        """A sentence for each: items, images, how they are answered."""
        ...

    def ask(self, bundle: Bundle, rank: int, world: int) -> Iterator[Any]:
        """Answers to this rank's share of the questions as they come, as values that can be sent to another
        process.

        No rank waits for another in here.
        """
        ...

    def score(
        self, found: Sequence[Sequence[Any]], folder: Path, step: int, seconds: float
    ) -> list[dict[str, Any]]:
        """Scores of what all ranks have found.

        Args:
            found: what ``ask`` gave on each rank.
            folder: gets predictions and metrics.
            step: steps done.
            seconds: that asking took.

        Returns:
            For each benchmark ``{"task", "primary", "n", "of", "metrics": {metric: value}, "by": {breakdown:
            {kind: value of the primary metric}}, …}``; a value is None where it is undefined. Groupings over
            several benchmarks follow, with no metrics of their own and their abilities under ``by``.

        Raises:
            UserError: if nothing of a benchmark could be answered.
        """
        ...


class OpenBenchmarks(Protocol):
    """Reads the files of benchmarks; ``eval.in_training.open_benchmarks`` is one."""

    def __call__(
        self,
        tasks: Sequence[str],
        *,
        limit: int | None,
        batch_size: int,
        how: Literal["generate", "next_token", "likelihood"],
        blind: bool,
        seed: int,
    ) -> Benchmarks:
        """The benchmarks.

        Raises:
            UserError: a task is unknown, or its files cannot be used.
        """
        ...


def benchmarks_of(recipe: Recipe, open_benchmarks: OpenBenchmarks | None) -> Benchmarks | None:
    """The benchmarks that a recipe names; None where it names none.

    Raises:
        UserError: their files cannot be used, or the program that trains cannot evaluate.
    """
    config = recipe.eval
    if not config.tasks:
        return None
    if open_benchmarks is None:
        raise UserError(
            "the recipe names benchmarks, and this program trains without them",
            "eval.tasks",
            "start the run with `mmtune train`, or hand train() eval.in_training.open_benchmarks",
        )
    return open_benchmarks(
        config.tasks,
        limit=config.limit,
        batch_size=config.batch_size,
        how=config.how,
        blind=config.blind,
        seed=recipe.seed,
    )


class Evaluation:
    """Asks a run's model its benchmarks. Make it before the engine wraps the model.

    Args:
        recipe: names the run's folder.
        engine: holds the weights.
        bundle: the model.
        benchmarks: what is asked.
        stop: whether the run is asked to stop, which does not wait for the last question.
    """

    def __init__(
        self, recipe: Recipe, engine: Engine, bundle: Bundle, benchmarks: Benchmarks, stop: StopRequest
    ) -> None:
        self.folder = Path(recipe.out) / FOLDER
        self.engine = engine
        self.benchmarks = benchmarks
        self.stop = stop
        self.model = WholeModel(bundle, engine)

    def scores(self, step: int) -> tuple[list[dict[str, Any]], float] | None:
        """Scores of the model as it is now, on rank 0, and the seconds it took; every rank calls it.

        None where a rank is asked to stop before its last question.

        Raises:
            UserError: for what the user can mend; every rank raises it.
            EvaluationError: for anything else; every rank raises it.
        """
        engine = self.engine
        stopwatch = _stopwatch()
        with _generators_kept(engine.device):
            with self.model.gathered() as bundle, engine.autocast():
                found = self._agreed(lambda: self._ask(bundle))
            if any(answers is None for answers in found):
                return None
            folder = self.folder / f"step-{step:06d}"
            rows = self._agreed(
                lambda: self.benchmarks.score(found, folder, step, stopwatch()) if engine.rank == 0 else []
            )
        return rows[0], stopwatch()

    def _ask(self, bundle: Bundle) -> list[Any] | None:
        answers = []
        for answer in self.benchmarks.ask(bundle, self.engine.rank, self.engine.world):
            if self.stop.requested:
                return None
            answers.append(answer)
        return answers

    def _agreed(self, work: Callable[[], Any]) -> list[Any]:
        """Every rank's result. What fails on one rank is raised on all, so that none waits for it."""
        value, problem, mendable = None, None, True
        try:
            value = work()
        except UserError as error:
            problem = str(error)
        except Exception as error:
            log.warning("an evaluation failed", exc_info=True)
            problem, mendable = f"{type(error).__name__}: {error}", False
        gathered = self.engine.gather((value, problem, mendable))
        problems = [(told, of_user) for _, told, of_user in gathered if told is not None]
        if problems:
            message = problems[0][0]
            if all(of_user for _, of_user in problems):
                raise UserError(f"the evaluation came to nothing: {message}")
            raise EvaluationError(f"the evaluation came to nothing: {message}")
        return [value for value, _, _ in gathered]


def _stopwatch() -> Callable[[], float]:
    start = time.monotonic()
    return lambda: time.monotonic() - start


@contextmanager
def _generators_kept(device: torch.device) -> Iterator[None]:
    """Every random generator stands afterwards where it stood before."""
    words, numbers = random.getstate(), np.random.get_state()
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(words)
            np.random.set_state(numbers)
