"""Run benchmarks: ask everything in batches, keep every answer as it comes, score with intervals.

A run's folder holds ``answered.jsonl`` (what the model said, for a later run to go on from),
``predictions.jsonl`` (a row an answer with its score, written as answers come), ``metrics.json``, and in
``answers/`` the files that the benchmarks' own servers and scripts take.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.asking import Ask, Waiting, plan_asks
from eval.backends import Backend, Opening, open_backend
from eval.backends.checkpoint import Checkpoint
from eval.collecting import Collected, collect
from eval.environment import hardware, versions
from eval.groupings import group_results
from eval.image_folders import ready_images
from eval.options import How
from eval.predictions import Predictions
from eval.scoring import Sampling, breakdowns, pope_mean, score_table, whole_table
from eval.sharing import Peers
from eval.tasks import Item, Task, TaskConfig, build_tasks
from eval.tasks.official_files import load_checked, write_json
from mmtune.errors import UserError

if TYPE_CHECKING:
    from mmtune.decode.engine import Engine

log = logging.getLogger(__name__)

Results = dict[str, Any]
"""The content of ``metrics.json``; see ``evaluate``."""

_FAILURES_LISTED = 20
_FAILURES_LOGGED = 3


def run(
    model: str | Path,
    tasks: Sequence[TaskConfig],
    out: str | Path,
    *,
    blind: bool = True,
    batch_size: int = 64,
    resamples: int = 1000,
    seed: int = 0,
    device: str | None = None,
    how: How = "generate",
    cache: bool = True,
) -> Results | None:
    """Evaluate a checkpoint folder or another model; as ``evaluate``, with the tasks given by their files.

    The files are read before the model is loaded, so that a wrong path costs seconds. Under ``torchrun`` the
    processes share the questions, and the first one scores.

    Args:
        model: as for ``eval.backends.open_backend``.
        tasks: with their files.
        out: the run's folder.
        blind: as for ``evaluate``, and so all that is not told here.
        batch_size: questions that are answered together.
        resamples: draws of the bootstrap.
        seed: of draws, blind shuffle and limits.
        device: cpu, cuda, cuda:1 …; by default the GPU where there is one, each process its own.
        how: how items with options are answered.
        cache: whether answers that are known already are taken.

    Returns:
        The results; None in all processes but the first.

    Raises:
        UserError: for a file or a model that cannot be used.
    """
    built = build_tasks(tasks)
    items = {name: load_checked(task.load, task.config.annotations or "") for name, task in built.items()}
    peers = Peers.from_environment()
    ready_images(built, items, peers)
    backend = open_backend(str(model), Opening(device or peers.device, batch_size))
    plan = Plan(blind, batch_size, resamples, seed, how, cache)
    return _evaluate(backend, built, items, Path(out), plan, str(model), peers)


def evaluate(
    engine: Engine,
    tasks: Mapping[str, Task],
    out: str | Path,
    *,
    items: Mapping[str, Sequence[Item]] | None = None,
    blind: bool = True,
    batch_size: int = 64,
    resamples: int = 1000,
    seed: int = 0,
    checkpoint: str | None = None,
    how: How = "generate",
    cache: bool = True,
) -> Results:
    """Ask a model every question of the tasks and score the answers.

    Questions about one image stand together, so that it is opened and encoded once, for all tasks and for the
    blind baseline. An item whose image or prompt cannot be used fails alone; the scores say n of N. Every
    answer is written down at once; a run that was killed goes on where it was, in the same folder.

    Args:
        engine: the model.
        tasks: name in the results → task.
        out: the run's folder.
        items: the tasks' items, where they have been loaded already.
        blind: also ask each question about another item's image.
        batch_size: questions that are generated together.
        resamples: draws of the bootstrap.
        seed: seed of the draws, of the blind shuffle and of ``limit``.
        checkpoint: what to call the model in the results.
        how: how items with options are answered, where their task does not say it itself.
        cache: whether answers that are in the folder already are taken, where weights, prompt, image and
            settings are the same; False removes them.

    Returns:
        ``{"tasks": {name: {"n", "of", "complete", "primary", "metrics": {metric: {value, low, high, n,
        clusters}}, "blind": {metric: …}, "by": {breakdown: {kind: {"n", "metrics", "blind"}}}, …}},
        "summary", "groupings", "timing", …}``, which is also written to ``metrics.json``. Tasks with
        ``needs_judge`` have no metrics: their answers are to be judged first.
    """
    loaded = {name: list(items[name]) if items else task.load() for name, task in tasks.items()}
    ready_images(tasks, loaded, Peers())
    plan = Plan(blind, batch_size, resamples, seed, how, cache)
    backend = Checkpoint(engine, batch_size)
    results = _evaluate(backend, tasks, loaded, Path(out), plan, checkpoint, Peers())
    if results is None:
        raise RuntimeError("a process alone has the results")
    return results


@dataclass(frozen=True)
class Plan:
    """How a run is made; as the arguments of ``evaluate``."""

    blind: bool
    batch_size: int
    resamples: int
    seed: int
    how: How
    cache: bool


def _evaluate(
    backend: Backend,
    tasks: Mapping[str, Task],
    items: Mapping[str, Sequence[Item]],
    out: Path,
    plan: Plan,
    checkpoint: str | None,
    peers: Peers,
) -> Results | None:
    out.mkdir(parents=True, exist_ok=True)
    chosen = {name: limited(items[name], task.config.limit, plan.seed) for name, task in tasks.items()}
    asks = plan_asks(tasks, chosen, plan.blind, plan.seed, plan.how)
    if peers.rank == 0:
        # A run that dies must not leave the metrics of an earlier one beside its own predictions.
        (out / "metrics.json").unlink(missing_ok=True)
    start = time.monotonic()
    collected = collect(backend, tasks, chosen, asks, out, peers, cache=plan.cache)
    if collected is None:
        return None
    seconds = time.monotonic() - start
    return results_of(
        collected, tasks, items, asks, out, plan, checkpoint, backend.identity(), peers.world, seconds
    )


def results_of(
    collected: Collected,
    tasks: Mapping[str, Task],
    items: Mapping[str, Sequence[Item]],
    asks: Mapping[Ask, Sequence[Waiting]],
    out: Path,
    plan: Plan,
    checkpoint: str | None,
    identity: Mapping[str, Any],
    processes: int,
    seconds: float,
) -> Results:
    """Score what was collected, and write the answer files and ``metrics.json``.

    Args:
        collected: all answers.
        tasks: name in the results → task.
        items: all items of each task.
        asks: what was asked, and for whom.
        out: the run's folder.
        plan: how the run was made.
        checkpoint: what to call the model.
        identity: of the model.
        processes: that have asked.
        seconds: that asking took.

    Returns:
        As ``evaluate``.

    Raises:
        UserError: if of a task no item could be answered.
    """
    kept = collected.predictions
    sampling = Sampling(resamples=plan.resamples, seed=plan.seed)
    results: Results = {
        "checkpoint": checkpoint,
        "model": dict(identity),
        "tasks": {
            name: _task_result(task, items[name], kept, sampling, plan.blind)
            | {"answered_by": _ways(asks, name)}
            | {"answers_file": str(task.write_answers(out / "answers", items[name], kept.texts(name)))}
            for name, task in tasks.items()
        },
        "summary": {
            "pope_mean_f1": pope_mean({n: (t, kept.seen(n)) for n, t in tasks.items()}, sampling),
            "pope_mean_f1_blind": pope_mean({n: (t, kept.unseen(n)) for n, t in tasks.items()}, sampling),
        },
        "settings": {
            "decoding": "greedy",
            "batch_size": plan.batch_size,
            "seed": plan.seed,
            "resamples": plan.resamples,
            "processes": processes,
            "level": sampling.level,
        },
        "timing": {
            "seconds": seconds,
            "answers": collected.asked,
            "answers_per_s": collected.asked / max(seconds, 1e-9),
            "known": collected.known,
        },
        "versions": versions(),
        "hardware": hardware(),
    }
    results["groupings"] = group_results(results["tasks"])
    write_json(out / "metrics.json", results)
    for name, result in results["tasks"].items():
        if not result["n"] and result["failures"]:
            reason = next(iter(result["failures"].values())).rstrip(".")
            raise UserError(f"None of the {result['of']} items of {name} could be answered: {reason}")
    return results


def _ways(asks: Mapping[Ask, Sequence[Waiting]], task: str) -> dict[str, int]:
    """How a task's answers came about, and how many did so: a choice between options is told as one."""
    found = Counter(ask.how for ask, waiting in asks.items() for one in waiting if one.task == task)
    return dict(sorted(found.items()))


def _task_result(
    task: Task, items: Sequence[Item], kept: Predictions, sampling: Sampling, blind: bool
) -> dict[str, Any]:
    """A task's part of the results; see ``evaluate``."""
    seen, unseen, failed = kept.seen(task.name), kept.unseen(task.name), kept.failed(task.name)
    texts = {item_id: task.submitted(text) for item_id, text in kept.texts(task.name).items()}
    scored = [] if task.needs_judge else seen
    unseen = [] if task.needs_judge else unseen
    if len(seen) < len(items):
        log.warning("%s: the score is over %d of %d items", task.name, len(seen), len(items))
    for item_id, reason in list(failed.items())[:_FAILURES_LOGGED]:
        log.warning("%s: item %s failed: %s", task.name, item_id, reason)
    return {
        "benchmark": task.config.task,
        "title": task.title,
        "primary": task.primary,
        "lower_is_better": sorted(task.lower_is_better),
        "not_shares": sorted(task.not_shares),
        "n": len(seen),
        "of": len(items),
        "complete": len(seen) == len(items),
        "limit": task.config.limit,
        "needs_judge": task.needs_judge,
        "metrics": score_table(task, scored, sampling) | (whole_table(task, scored, texts) if scored else {}),
        "blind": score_table(task, unseen, sampling) if blind else None,
        "by": breakdowns(task, scored, unseen, sampling),
        "failed": len(failed),
        "failures": dict(list(failed.items())[:_FAILURES_LISTED]),
        "images": str(task.images),
        "config": {key: value for key, value in asdict(task.config).items() if value is not None},
        "prompt": task.template,
        "max_new_tokens": task.max_new_tokens,
    }


def limited(items: Sequence[Item], limit: int | None, seed: int) -> list[Item]:
    """At most ``limit`` items, drawn at random, in the order of the file."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[i] for i in sorted(random.Random(seed).sample(range(len(items)), limit))]
