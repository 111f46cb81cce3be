"""Run benchmarks: ask everything in batches, keep every answer as it comes, score with intervals.

A run's folder holds ``predictions.jsonl`` (a row an answer, written as answers come), ``metrics.json``, and
in ``answers/`` the files that the benchmarks' own servers and scripts take.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.asking import Ask, Waiting, chunks, plan_asks, request
from eval.environment import hardware, versions
from eval.predictions import Predictions
from eval.scoring import Sampling, breakdowns, pope_mean, score_table, whole_table, with_joint
from eval.tasks import Item, Task, TaskConfig, build_tasks
from eval.tasks.official_files import write_json
from mmtune.errors import UserError
from mmtune.progress import Progress

if TYPE_CHECKING:
    from mmtune.decode.engine import Engine

log = logging.getLogger(__name__)

Results = dict[str, Any]
"""The content of ``metrics.json``; see ``evaluate``."""

_CHUNK_BATCHES = 4
"""Batches of questions between two flushes of the predictions."""
_FAILURES_LISTED = 20
_FAILURES_LOGGED = 3


def run(
    checkpoint: str | Path,
    tasks: Sequence[TaskConfig],
    out: str | Path,
    *,
    blind: bool = True,
    batch_size: int = 64,
    resamples: int = 1000,
    seed: int = 0,
    device: str | None = None,
) -> Results:
    """Evaluate a checkpoint folder; as ``evaluate``, with the tasks given by their files.

    The files are read before the model is loaded, so that a wrong path costs seconds.

    Raises:
        UserError: for a file or a checkpoint that cannot be used.
    """
    built = build_tasks(tasks)
    items = {name: task.load() for name, task in built.items()}
    for task in built.values():
        if not task.images.is_dir():
            raise UserError("There is no such image folder", str(task.images), "give it with images=FOLDER")
    from mmtune.decode.engine import Engine

    engine = Engine.from_checkpoint(checkpoint, device)
    return evaluate(
        engine,
        built,
        out,
        items=items,
        blind=blind,
        batch_size=batch_size,
        resamples=resamples,
        seed=seed,
        checkpoint=str(checkpoint),
    )


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
) -> Results:
    """Ask a model every question of the tasks and score the answers.

    Questions about one image stand together, so that it is opened and encoded once, for all tasks and for the
    blind baseline. An item whose image or prompt cannot be used fails alone; the scores say n of N.

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

    Returns:
        ``{"tasks": {name: {"n", "of", "complete", "primary", "metrics": {metric: {value, low, high, n,
        clusters}}, "blind": {metric: …}, "by": {breakdown: {kind: {"n", "metrics", "blind"}}}, …}},
        "summary", "timing", …}``, which is also written to ``metrics.json``.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    loaded = {name: list(items[name]) if items else task.load() for name, task in tasks.items()}
    chosen = {name: _limited(loaded[name], task.config.limit, seed) for name, task in tasks.items()}
    asks = plan_asks(tasks, chosen, blind, seed)
    # A run that dies must not leave the metrics of an earlier one beside its own predictions.
    (out / "metrics.json").unlink(missing_ok=True)
    start = time.monotonic()
    with Predictions(out / "predictions.jsonl", tasks) as kept:
        _answer(engine, asks, batch_size, kept)
    seconds = time.monotonic() - start

    sampling = Sampling(resamples=resamples, seed=seed)
    results: Results = {
        "checkpoint": checkpoint,
        "tasks": {
            name: _task_result(task, loaded[name], kept, sampling, blind)
            | {"answers_file": str(task.write_answers(out / "answers", loaded[name], kept.texts(name)))}
            for name, task in tasks.items()
        },
        "summary": {
            "pope_mean_f1": pope_mean({n: (t, kept.seen(n)) for n, t in tasks.items()}, sampling),
            "pope_mean_f1_blind": pope_mean({n: (t, kept.unseen(n)) for n, t in tasks.items()}, sampling),
        },
        "settings": {
            "decoding": "greedy",
            "batch_size": batch_size,
            "seed": seed,
            "resamples": resamples,
            "level": sampling.level,
        },
        "timing": {
            "seconds": seconds,
            "answers": len(asks),
            "answers_per_s": len(asks) / max(seconds, 1e-9),
        },
        "versions": versions(),
        "hardware": hardware(),
    }
    write_json(out / "metrics.json", results)
    for name, result in results["tasks"].items():
        if not result["n"] and result["failures"]:
            reason = next(iter(result["failures"].values())).rstrip(".")
            raise UserError(f"None of the {result['of']} items of {name} could be answered: {reason}")
    return results


def _answer(engine: Engine, asks: Mapping[Ask, list[Waiting]], batch_size: int, kept: Predictions) -> None:
    """Ask everything, chunk by chunk, and hand each answer to all who wait for it."""
    from mmtune.decode.requests import Settings

    with Progress(len(asks), "answer questions", unit="answer") as progress:
        for chunk in chunks(asks, batch_size * _CHUNK_BATCHES):
            for length in sorted({ask.max_new_tokens for ask in chunk}):
                group = [ask for ask in chunk if ask.max_new_tokens == length]
                errors: dict[int, UserError] = {}
                completions = engine.generate(
                    [request(ask) for ask in group],
                    Settings(max_new_tokens=length),
                    batch_size=batch_size,
                    progress=progress.advance,
                    failures=errors,
                )
                for index, (ask, completion) in enumerate(zip(group, completions, strict=True)):
                    for waiting in asks[ask]:
                        if index in errors:
                            kept.fail(waiting, str(errors[index]))
                        else:
                            kept.add(waiting, completion.text, completion.stopped)


def _task_result(
    task: Task, items: Sequence[Item], kept: Predictions, sampling: Sampling, blind: bool
) -> dict[str, Any]:
    """A task's part of the results; see ``evaluate``."""
    seen, unseen, failed = kept.seen(task.name), kept.unseen(task.name), kept.failed(task.name)
    texts = {item_id: task.submitted(text) for item_id, text in kept.texts(task.name).items()}
    seen = with_joint(task, seen, texts)
    if len(seen) < len(items):
        log.warning("%s: the score is over %d of %d items", task.name, len(seen), len(items))
    for item_id, reason in list(failed.items())[:_FAILURES_LOGGED]:
        log.warning("%s: item %s failed: %s", task.name, item_id, reason)
    return {
        "benchmark": task.config.task,
        "title": task.title,
        "primary": task.primary,
        "lower_is_better": sorted(task.lower_is_better),
        "n": len(seen),
        "of": len(items),
        "complete": len(seen) == len(items),
        "limit": task.config.limit,
        "metrics": score_table(task, seen, sampling) | whole_table(task, seen, texts),
        "blind": score_table(task, unseen, sampling) if blind else None,
        "by": breakdowns(task, seen, unseen, sampling),
        "failed": len(failed),
        "failures": dict(list(failed.items())[:_FAILURES_LISTED]),
        "images": str(task.images),
        "prompt": task.template,
        "max_new_tokens": task.max_new_tokens,
    }


def _limited(items: Sequence[Item], limit: int | None, seed: int) -> list[Item]:
    """At most ``limit`` items, drawn at random, in the order of the file."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[i] for i in sorted(random.Random(seed).sample(range(len(items)), limit))]
