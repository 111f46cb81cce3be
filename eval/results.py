"""The results of a run: every task's scores with intervals, its answer file, and ``metrics.json``."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.asking import Ask, Waiting
from eval.blind import blind_lacking
from eval.collecting import Collected
from eval.environment import hardware, versions
from eval.groupings import group_results
from eval.json_files import write_json
from eval.options import How
from eval.predictions import Predictions
from eval.reliability.results import reliability
from eval.robustness import Kind
from eval.robustness.planning import Planned
from eval.robustness.results import robustness
from eval.scoring import Sampling, Scored, breakdowns, pope_mean, score_table, whole_table
from eval.tasks import Item, Task
from mmtune.errors import UserError
from mmtune.wording import counted

log = logging.getLogger(__name__)

Results = dict[str, Any]
"""The content of ``metrics.json``; see ``eval.runner.evaluate``."""

_FAILURES_LISTED = 20
_FAILURES_LOGGED = 3
_PLACE = re.compile(r" \([^()]*\)")


@dataclass(frozen=True)
class Plan:
    """How a run is made; as the arguments of ``evaluate``."""

    blind: bool
    batch_size: int
    resamples: int
    seed: int
    how: How
    cache: bool
    robust: Sequence[Kind] = ()


@dataclass(frozen=True)
class Made:
    """A run whose questions have been asked."""

    collected: Collected
    """All answers."""
    asks: Mapping[Ask, Sequence[Waiting]]
    """What was asked, and for whom."""
    model: str | None
    """What to call it."""
    identity: Mapping[str, Any]
    """Of the model."""
    processes: int
    """That have asked."""
    seconds: float
    """That asking took."""
    planned: Planned | None = None
    """Other conditions under which items were asked again."""


def results_of(
    made: Made, tasks: Mapping[str, Task], items: Mapping[str, Sequence[Item]], plan: Plan, out: Path
) -> Results:
    """Score what was collected, and write the answer files and ``metrics.json``.

    Args:
        made: all answers.
        tasks: name in the results → task.
        items: all items of each task.
        plan: how the run was made.
        out: the run's folder.

    Returns:
        As ``eval.runner.evaluate``.
    """
    collected, kept = made.collected, made.collected.predictions
    sampling = Sampling(resamples=plan.resamples, seed=plan.seed)
    results: Results = {
        "checkpoint": made.model,
        "model": dict(made.identity),
        "tasks": {
            name: _task_result(task, items[name], kept, sampling, plan.blind)
            | reliability(task, kept.seen(name), kept.answers(name), sampling)
            | {"answered_by": _ways(made.asks, name)}
            | {"answers_file": str(task.write_answers(out / "answers", items[name], kept.texts(name)))}
            for name, task in tasks.items()
        },
        "summary": {
            "pope_mean_f1": pope_mean({n: (t, kept.seen(n)) for n, t in tasks.items()}, sampling),
            "pope_mean_f1_blind": pope_mean({n: (t, kept.unseen(n)) for n, t in tasks.items()}, sampling),
        },
        "robustness": robustness(made.planned, tasks, collected, sampling) if made.planned else {},
        "settings": {
            "decoding": "greedy",
            "batch_size": plan.batch_size,
            "seed": plan.seed,
            "resamples": plan.resamples,
            "processes": made.processes,
            "level": sampling.level,
        },
        "timing": {
            "seconds": made.seconds,
            "answers": collected.asked,
            "answers_per_s": collected.asked / max(made.seconds, 1e-9),
            "known": collected.known,
        },
        "versions": versions(),
        "hardware": hardware(),
    }
    results["groupings"] = group_results(results["tasks"])
    write_json(out / "metrics.json", results)
    return results


def refuse_unanswered(results: Results) -> None:
    """What ends a run once all that the other tasks gave is written.

    Raises:
        UserError: if of a task no item that was asked could be answered.
    """
    for name, result in results["tasks"].items():
        if not result["n"] and result["failures"]:
            reason = next(iter(result["failures"].values())).rstrip(".")
            asked = result["failed"]
            of = f" asked, of {result['of']}," if asked < result["of"] else ""
            raise UserError(f"None of the {counted(asked, 'item')}{of} of {name} could be answered: {reason}")


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
    scored, unseen = ([one for one in answered if one.counts] for answered in (seen, unseen))
    metrics = _metrics(task, scored, texts, sampling)
    other = {key: task.submitted(answer.text) for key, answer in kept.answers(task.name, blind=True).items()}
    base = _metrics(task, unseen, other, sampling) if blind else None
    asked = [item for item in items if item.id in texts]
    if len(seen) < len(items):
        log.warning("%s: the score is over %d of %s", task.name, len(seen), counted(len(items), "item"))
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
        "metrics": metrics,
        "blind": base,
        "blind_lacking": blind_lacking(asked, metrics, base, len(unseen), kept.failed(task.name, blind=True)),
        "by": breakdowns(task, scored, unseen, sampling),
        "failed": len(failed),
        "failures": dict(list(failed.items())[:_FAILURES_LISTED]),
        "failure_reasons": _reasons(failed.values()),
        "images": str(task.images),
        "config": {key: value for key, value in asdict(task.config).items() if value is not None},
        "prompt": task.template,
        "max_new_tokens": task.max_new_tokens,
    }


def _reasons(told: Iterable[str]) -> dict[str, int]:
    """The most frequent reasons, each with how many are like it: they differ in the bracketed place alone, as
    in the file that is not there; the first of them stands for all."""
    told = list(told)
    found = Counter(_PLACE.sub("", reason) for reason in told)
    first = {_PLACE.sub("", reason): reason for reason in reversed(told)}
    return {first[plain]: times for plain, times in found.most_common(_FAILURES_LISTED)}


def _metrics(
    task: Task, scored: Sequence[Scored], answers: Mapping[str, str], sampling: Sampling
) -> dict[str, dict[str, Any]]:
    """All metrics of answers, those included that are not a function of sums."""
    return score_table(task, scored, sampling) | (whole_table(task, scored, answers) if scored else {})
