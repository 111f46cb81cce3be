"""Run benchmarks: ask everything in batches, keep every answer as it comes, score with intervals.

A run's folder holds ``answered.jsonl`` (what the model said, for a later run to go on from),
``predictions.jsonl`` (a row an answer with its score, written as answers come), ``run.json`` (how many there
will be), ``metrics.json``, and in ``answers/`` the files that the benchmarks' own servers and scripts take.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eval.asking import plan_asks
from eval.backends import Backend, Opening, open_backend
from eval.backends.checkpoint import Checkpoint
from eval.collecting import ALTERED, collect
from eval.image_folders import ready_images
from eval.options import How
from eval.results import Made, Plan, Results, refuse_unanswered, results_of
from eval.robustness import parse_kinds
from eval.robustness.planning import plan_conditions, refuse_inapplicable
from eval.sharing import Peers
from eval.tasks import Item, Task, TaskConfig, build_tasks
from eval.tasks.official_files import load_checked
from eval.unfinished import PREDICTIONS, begin

if TYPE_CHECKING:
    from mmtune.decode.engine import Engine


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
    robust: Sequence[str] = (),
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
        robust: robustness checks, as ``eval.robustness.parse_kinds`` reads them.

    Returns:
        The results; None in all processes but the first. A task of which no item could be answered does not
        end the run here, as its judge and report are still to come: ``eval.results.refuse_unanswered`` does.

    Raises:
        UserError: for a file or a model that cannot be used.
    """
    kinds = parse_kinds(robust, seed)
    built = build_tasks(tasks)
    items = {name: load_checked(task.load, task.config.annotations or "") for name, task in built.items()}
    peers = Peers.from_environment()
    ready_images(built, items, peers)
    refuse_inapplicable(kinds, built, items, how)
    backend = open_backend(str(model), Opening(device or peers.device, batch_size))
    plan = Plan(blind, batch_size, resamples, seed, how, cache, kinds)
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
    robust: Sequence[str] = (),
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
        robust: checks for which the items are asked again under other conditions; see
            ``eval.robustness.parse_kinds``. Their answers go to ``robustness.jsonl``.

    Returns:
        ``{"tasks": {name: {"n", "of", "complete", "primary", "metrics": {metric: {value, low, high, n,
        clusters}}, "blind": {metric: …}, "by": {breakdown: {kind: {"n", "metrics", "blind"}}}, …}},
        "robustness", "summary", "groupings", "timing", …}``, which is also written to ``metrics.json``. Tasks
        with ``needs_judge`` have no metrics: their answers are to be judged first.

    Raises:
        UserError: if of a task no item could be answered; what the others gave is written by then.
    """
    loaded = {name: list(items[name]) if items else task.load() for name, task in tasks.items()}
    ready_images(tasks, loaded, Peers())
    kinds = parse_kinds(robust, seed)
    refuse_inapplicable(kinds, tasks, loaded, how)
    plan = Plan(blind, batch_size, resamples, seed, how, cache, kinds)
    backend = Checkpoint(engine, batch_size)
    results = _evaluate(backend, tasks, loaded, Path(out), plan, checkpoint, Peers())
    if results is None:
        raise RuntimeError("a process alone has the results")
    refuse_unanswered(results)
    return results


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
    chosen = {name: limited(task, items[name], plan.seed) for name, task in tasks.items()}
    asks = plan_asks(tasks, chosen, plan.blind, plan.seed, plan.how)
    planned = plan_conditions(plan.robust, tasks, asks, plan.how) if plan.robust else None
    if peers.rank == 0:
        # A run that dies must not leave the figures of an earlier one beside its own predictions, nor that
        # one's predictions as its own: from here to the first answer, large weights are read once more.
        for name in ("metrics.json", PREDICTIONS, ALTERED, "overlap.jsonl", "report.html"):
            (out / name).unlink(missing_ok=True)
        begin(out, chosen)
    start = time.monotonic()
    collected = collect(
        backend,
        tasks,
        chosen,
        planned.asks if planned else asks,
        out,
        peers,
        cache=plan.cache,
        altered=planned.altered if planned else None,
    )
    if collected is None:
        return None
    seconds = time.monotonic() - start
    made = Made(collected, asks, checkpoint, backend.identity(), peers.world, seconds, planned)
    return results_of(made, tasks, items, plan, out)


def limited(task: Task, items: Sequence[Item], seed: int) -> list[Item]:
    """At most as many items as the task's ``limit``, drawn at random, in the order of the file.

    Items that count together are drawn together; only where the limit is too small for any such group are
    they drawn one by one.
    """
    limit = task.config.limit
    if limit is None or limit >= len(items):
        return list(items)
    groups: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        groups.setdefault(task.together(item), []).append(place)
    if len(groups) == len(items) or limit < min(map(len, groups.values())):
        return [items[place] for place in sorted(random.Random(seed).sample(range(len(items)), limit))]
    drawn: list[int] = []
    for places in random.Random(seed).sample(list(groups.values()), len(groups)):
        if len(drawn) + len(places) <= limit:
            drawn += places
    return [items[place] for place in sorted(drawn)]
