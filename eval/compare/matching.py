"""Which items can be compared: those that every run answered, asked and marked alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.compare.stored import Answer, StoredRun
from mmtune.errors import UserError

_LISTED = 20
_SCORED_BY = ("mode", "synonyms", "split", "choices")
"""Settings of a task that decide how answers are marked."""
_PLACES = ("task", "name", "annotations", "images", "questions", "limit", "prompt", "max_new_tokens")
"""Settings that say where the files lie, or that are looked at elsewhere."""
_ASKED_BY = ("prompt", "max_new_tokens", "answered_by")
"""Settings that decide how the model was asked: answers may be compared, but it must be said."""

_JUDGED_BY = ("settings", "runs", "attempts", "show_images")
"""Settings that decide how a judge was asked, besides its model and prompt."""


@dataclass(frozen=True)
class Matched:
    """A task's common items."""

    task: str
    ids: tuple[str, ...]
    """In the first run's order."""
    answers: tuple[Mapping[str, Answer], ...]
    """Of each run, by id."""
    joint: bool
    """Whether counts that depend on several answers can be compared: only if all runs answered the same
    items."""

    @property
    def clusters(self) -> list[str]:
        """What each item is drawn with."""
        first = self.answers[0]
        return [first[key].cluster or f"item {key}" for key in self.ids]

    def unmatched(self) -> list[dict[str, Any]]:
        """For each run, how many items it answered that not all did, and the first of them."""
        common = set(self.ids)
        only = [[key for key in answers if key not in common] for answers in self.answers]
        return [{"n": len(ids), "ids": ids[:_LISTED]} for ids in only]


def match_task(task: str, runs: Sequence[StoredRun]) -> Matched:
    """The items of a task that all runs answered.

    Raises:
        UserError: if runs asked another question under one id, hold another truth, or marked answers by other
            settings: their numbers do not measure the same thing.
    """
    of_runs = [run.results["tasks"][task] for run in runs]
    for run, found in zip(runs[1:], of_runs[1:], strict=True):
        where = f"{runs[0].folder} and {run.folder}"
        if found["benchmark"] != of_runs[0]["benchmark"]:
            raise UserError(
                f"{task} is {of_runs[0]['benchmark']} in one run and {found['benchmark']} in another", where
            )
        for setting in _SCORED_BY:
            ours, theirs = (one.get("config", {}).get(setting) for one in (of_runs[0], found))
            if ours != theirs:
                raise UserError(
                    f"{task} is scored with {setting}={ours} in one run and {setting}={theirs} in another",
                    where,
                    "score both alike",
                )
    everything = [run.answers.get(task, {}) for run in runs]
    for run, rows in zip(runs[1:], everything[1:], strict=True):
        _check_same(task, everything[0], rows, f"{runs[0].folder} and {run.folder}")
    answers = [run.answered(task) for run in runs]
    common = [key for key in answers[0] if all(key in other for other in answers[1:])]
    return Matched(task, tuple(common), tuple(answers), all(len(one) == len(common) for one in answers))


def judged_apart(task: str, runs: Sequence[StoredRun]) -> str | None:
    """Why the marks of judges cannot be compared: a run awaits them, or judges or prompts are not the same.
    None where they can, or no judge is needed."""
    results = [run.results["tasks"][task] for run in runs]
    waiting = [str(run.folder) for run, one in zip(runs, results, strict=True) if one.get("needs_judge")]
    if waiting:
        return f"its answers await a judge in {' and '.join(waiting)}"
    judges = [one.get("judged_by") for one in results]
    if any(judge != judges[0] for judge in judges):
        told = "; ".join(f"{run.folder}: {judge}" for run, judge in zip(runs, judges, strict=True))
        return f"the judges or their prompts are not the same ({told})"
    return None


def asked_otherwise(task: str, runs: Sequence[StoredRun]) -> list[str]:
    """Sentences about what was not the same in how the runs asked."""
    sentences = []
    results = [run.results["tasks"][task] for run in runs]
    configs = [one.get("config", {}) for one in results]
    others = sorted({key for config in configs for key in config} - {*_PLACES, *_SCORED_BY})
    for setting in (*_ASKED_BY, *others):
        values = [
            (config if setting in others else one).get(setting)
            for one, config in zip(results, configs, strict=True)
        ]
        if setting == "answered_by":  # the ways; how many took each also depends on the blind baseline
            values = [sorted(value or ()) for value in values]
        if any(value != values[0] for value in values[1:]):
            told = "; ".join(f"{run.folder}: {value!r}" for run, value in zip(runs, values, strict=True))
            sentences.append(f"{task} was asked with another {setting.replace('_', ' ')} ({told})")
    for setting in _JUDGED_BY:
        values = [one.get("judge", {}).get(setting) for one in results]
        if any(value != values[0] for value in values[1:]):
            told = "; ".join(f"{run.folder}: {value}" for run, value in zip(runs, values, strict=True))
            sentences.append(f"{task} was judged with another {setting.replace('_', ' ')} ({told})")
    return sentences


def _check_same(task: str, ours: Mapping[str, Answer], theirs: Mapping[str, Answer], where: str) -> None:
    for key, row in ours.items():
        other = theirs.get(key)
        if other is None:
            continue
        if row.question != other.question:
            raise UserError(
                f"Item {key} of {task} asks {_short(row.question)!r} in one run and"
                f" {_short(other.question)!r} in the other",
                where,
                "compare runs over the same files",
            )
        if row.history != other.history:
            raise UserError(
                f"Item {key} of {task} is asked after other turns in one run than in the other",
                where,
                "compare runs over the same files",
            )
        # A failed item has no truth beside it.
        if row.counts is not None and other.counts is not None and row.truth != other.truth:
            raise UserError(
                f"The truth of item {key} of {task} is {_short(row.truth)!r} in one run and"
                f" {_short(other.truth)!r} in the other",
                where,
                "compare runs over the same files",
            )


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "…"
