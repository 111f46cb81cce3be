"""Asking: what is not known yet goes to the model, and every answer is on disk as soon as it is there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from eval.answered import Answered
from eval.asking import Ask, Waiting
from eval.backends.base import Answer, Backend
from eval.predictions import Predictions
from eval.sharing import Peers
from eval.tasks import Item, Task
from mmtune.errors import UserError
from mmtune.progress import Progress

ALTERED = "robustness.jsonl"
"""The file of answers under the conditions of robustness checks, in a run's folder."""

UNHEARD = "it was asked, and the model gave neither an answer nor an error"
"""Why an item has no answer that no process has told anything of."""

NAN = "the model's probabilities are NaN: its weights, or what it computes in this type, are broken"

Outcome = Answer | str
"""An answer, or why there is none."""


@dataclass(frozen=True)
class Altered:
    """The conditions that items are asked under beside the benchmark's own way."""

    tasks: Mapping[str, Task]
    """Name of a task under a condition → the task."""
    items: Mapping[str, Sequence[Item]]


@dataclass(frozen=True)
class Collected:
    """All answers of a run."""

    predictions: Predictions
    known: int
    """How many an earlier run had got."""
    asked: int


def collect(
    backend: Backend,
    tasks: Mapping[str, Task],
    items: Mapping[str, Sequence[Item]],
    asks: Mapping[Ask, Sequence[Waiting]],
    out: Path,
    peers: Peers,
    *,
    cache: bool = True,
    altered: Altered | None = None,
) -> Collected | None:
    """Get an answer for every ask, or the reason why there is none.

    Args:
        backend: the model.
        tasks: name → task.
        items: of each task, in the order of the benchmark.
        asks: who waits for each; the same in all processes.
        out: the run's folder, the same for all processes.
        peers: the processes that share the work.
        cache: take the answers that the folder has; False removes them.
        altered: conditions that further asks stand under; their answers go to a file of their own.

    Returns:
        The answers; None in processes other than the first.
    """
    answered = _opened(out, backend, peers, cache=cache)
    known = {ask: answer for ask in asks if (answer := answered.get(ask)) is not None}
    places = {ask: place for place, ask in enumerate(asks)}
    mine = peers.mine([ask for ask in asks if ask not in known])
    with ExitStack() as stack:
        kept = None
        if peers.rank == 0:
            kept = stack.enter_context(Predictions(out / "predictions.jsonl", tasks, items))
            if altered is not None:
                apart = Predictions(out / ALTERED, altered.tasks, altered.items)
                kept.altered = stack.enter_context(apart)
            keep(kept, asks, known.items())
        stack.enter_context(answered)
        outcomes: dict[int, Outcome] = {}
        with Progress(len(mine), "answer questions", unit="answer") as progress:
            for index, found in backend.ask(mine):
                ask = mine[index]
                outcome = outcome_of(found)
                if not isinstance(outcome, str):
                    answered.put(ask, outcome)
                if kept is not None:
                    keep(kept, asks, [(ask, outcome)])
                outcomes[places[ask]] = outcome
                progress.advance(1)
        gathered = peers.gather(outcomes)
        if kept is None:
            return None
        order = list(asks)
        # Processes that saw other files than each other have shared the work otherwise: an item counts once,
        # and one that nobody has asked is not lost in silence.
        waiting = [place for ask, place in places.items() if ask not in known and place not in outcomes]
        heard = {place: outcome for theirs in gathered[1:] for place, outcome in theirs.items()}
        keep(kept, asks, ((order[place], heard.get(place, UNHEARD)) for place in waiting))
    return Collected(kept, len(known), sum(map(len, gathered)))


def outcome_of(found: Answer | UserError) -> Outcome:
    """What a back end gave; an answer whose probabilities are no numbers is none, whatever its text is."""
    if isinstance(found, UserError):
        return str(found)
    scores = [*(found.logprobs or ()), 0.0 if found.sure is None else found.sure]
    return NAN if any(map(math.isnan, scores)) else found


def _opened(out: Path, backend: Backend, peers: Peers, *, cache: bool) -> Answered:
    """The folder's answers, as they were before any process added one."""
    answered = Answered(out, backend.identity(), peers.rank)
    if not cache and peers.rank == 0:
        answered.forget()
    peers.wait()
    answered.read()
    peers.wait()
    return answered


def keep(
    kept: Predictions, asks: Mapping[Ask, Sequence[Waiting]], found: Iterable[tuple[Ask, Outcome]]
) -> None:
    """Hand each outcome to all who wait for it."""
    for ask, outcome in found:
        for waiting in asks[ask]:
            if isinstance(outcome, str):
                kept.fail(waiting, outcome)
            else:
                kept.add(waiting, outcome)
