"""Benchmarks that a training run asks on the way: their questions, answers from the model in memory, scores.

``mmtune.train`` knows no benchmark; the command that starts a run hands it ``open_benchmarks``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eval.asking import Ask, Waiting, plan_asks
from eval.collecting import Collected, Outcome, keep, outcome_of
from eval.options import How
from eval.predictions import Predictions
from eval.results import Made, Plan, refuse_unanswered, results_of
from eval.runner import limited
from eval.sharing import Peers
from eval.tasks import Item, Task, TaskConfig, build_tasks, parse_task
from eval.tasks.embedded import unpack_images
from eval.tasks.official_files import load_checked
from mmtune.errors import UserError
from mmtune.images.decoding import resolve_image
from mmtune.wording import counted

RESAMPLES = 200
"""Draws for the intervals in each step's ``metrics.json``."""
LOOKED_AT = 50
"""Images of each benchmark that are looked for before training starts."""


def open_benchmarks(
    tasks: Sequence[str],
    *,
    limit: int | None = None,
    batch_size: int = 64,
    how: How = "generate",
    blind: bool = False,
    seed: int = 0,
) -> TrainingBenchmarks:
    """Read the files of benchmarks, and look whether their images are there.

    Args:
        tasks: as for ``eval.tasks.parse_task``.
        limit: items of each that has no limit of its own.
        batch_size: questions that each process answers together.
        how: how items with options are answered.
        blind: also ask each question about another item's image.
        seed: of the draw of items and of the blind shuffle.

    Raises:
        UserError: a task is unknown or needs a judge, a file cannot be used, or none of the images that are
            looked for is there.
    """
    built = build_tasks(_limited(parse_task(text), limit) for text in tasks)
    for task in built.values():
        _refuse_judged(task)
    items = {name: load_checked(task.load, task.config.annotations or "") for name, task in built.items()}
    chosen = {name: limited(task, items[name], seed) for name, task in built.items()}
    for name, task in built.items():
        if any(item.images for item in chosen[name]):
            unpack_images(task)
        _check(task, chosen[name])
    plan = Plan(blind, batch_size, RESAMPLES, seed, how, cache=False)
    return TrainingBenchmarks(built, items, chosen, plan)


@dataclass(frozen=True)
class TrainingBenchmarks:
    """Benchmarks whose files have been read; what ``mmtune.train.evaluation.Benchmarks`` describes."""

    tasks: Mapping[str, Task]
    items: Mapping[str, Sequence[Item]]
    """All that each has."""
    chosen: Mapping[str, Sequence[Item]]
    """Those that are asked."""
    plan: Plan

    def describe(self) -> list[str]:
        """A sentence for each benchmark."""
        return [
            f"{name}: {len(self.chosen[name])} of {counted(len(self.items[name]), 'item')},"
            f" images in {task.images}"
            for name, task in self.tasks.items()
        ]

    def ask(self, bundle: Any, rank: int, world: int) -> Iterator[tuple[int, Outcome]]:
        """This process's share of the questions: the place of each, and its answer or why there is none.

        Args:
            bundle: the model with its tokenizer and template.
            rank: this process's number.
            world: how many processes share the questions.
        """
        from eval.backends.checkpoint import Checkpoint
        from mmtune.decode.engine import Engine

        asks = list(self._asks())
        places = {ask: place for place, ask in enumerate(asks)}
        mine = Peers(rank, world).mine(asks)
        backend = Checkpoint(Engine(bundle), self.plan.batch_size)
        for index, outcome in backend.ask(mine):
            yield places[mine[index]], outcome_of(outcome)

    def score(
        self, found: Sequence[Sequence[tuple[int, Outcome]]], folder: Path, step: int, seconds: float
    ) -> list[dict[str, Any]]:
        """Write predictions, answer files and ``metrics.json`` of this step, and give the curves' points.

        Raises:
            UserError: if of a benchmark no item could be answered.
        """
        asks = self._asks()
        order = list(asks)
        folder.mkdir(parents=True, exist_ok=True)
        with Predictions(folder / "predictions.jsonl", self.tasks, self.chosen) as kept:
            for part in found:
                keep(kept, asks, ((order[place], outcome) for place, outcome in part))
        collected = Collected(kept, known=0, asked=sum(map(len, found)))
        identity = {"kind": "mmtune", "step": step}
        made = Made(collected, asks, f"step {step} of the run", identity, len(found), seconds)
        results = results_of(made, self.tasks, self.items, self.plan, folder)
        refuse_unanswered(results)
        points = [_point(name, result) for name, result in results["tasks"].items()]
        return points + [_abilities(name, found) for name, found in results["groupings"].items()]

    def _asks(self) -> dict[Ask, list[Waiting]]:
        return plan_asks(self.tasks, self.chosen, self.plan.blind, self.plan.seed, self.plan.how)


def _limited(config: TaskConfig, limit: int | None) -> TaskConfig:
    return config if config.limit is not None else replace(config, limit=limit)


def _refuse_judged(task: Task) -> None:
    if task.needs_judge:
        raise UserError(
            f"The scores of {task.name} come from a judge, so it cannot be asked during training",
            "eval.tasks",
            "evaluate the checkpoints with `mmtune eval` instead",
        )


def _check(task: Task, chosen: Sequence[Item]) -> None:
    """Refuse what would fail in mid-run."""
    if not chosen:
        raise UserError(f"The task {task.name} has no items", task.config.annotations)
    images = list(dict.fromkeys(image for item in chosen for image in item.images))[:LOOKED_AT]
    if images and not any(_there(task.images, image) for image in images):
        raise UserError(
            f"None of the first {counted(len(images), 'image')} of {task.name} is there, as {images[0]}",
            str(task.images),
            "give their folder with images=FOLDER",
        )


def _there(root: Path, image: str) -> bool:
    try:
        return resolve_image(root, image).is_file()
    except (OSError, UserError):
        return False


def _point(name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """What the curves need of a task's results: values, and over how many items."""
    primary = result["primary"]
    return {
        "task": name,
        "primary": primary,
        "lower_is_better": primary in result["lower_is_better"],
        "n": result["n"],
        "of": result["of"],
        "answered_by": result["answered_by"],
        "metrics": {metric: found["value"] for metric, found in result["metrics"].items()},
        "blind": (result["blind"] or {}).get(primary, {}).get("value"),
        "by": {
            breakdown: {kind: part["metrics"].get(primary, {}).get("value") for kind, part in kinds.items()}
            for breakdown, kinds in result["by"].items()
        },
    }


def _abilities(name: str, grouping: Mapping[str, Any]) -> dict[str, Any]:
    """The points of a grouping: accuracy and stability of each ability; it has no figure of its own."""
    abilities = grouping["abilities"]
    return {
        "task": name,
        "primary": "accuracy",
        "n": sum(ability["n"] for ability in abilities.values()),
        "metrics": {},
        "by": {
            figure: {ability: found[figure] for ability, found in abilities.items()}
            for figure in ("accuracy", "stability")
        },
    }
