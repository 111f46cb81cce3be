"""A back end that says what a function makes of each ask, and a run of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eval.asking import Ask
from eval.backends import Answer
from eval.results import Plan
from eval.robustness import parse_kinds
from eval.runner import _evaluate
from eval.sharing import Peers
from eval.tasks import TaskConfig, build_tasks
from mmtune.errors import UserError


class Scripted:
    """A back end that says what a function makes of each ask."""

    def __init__(self, say) -> None:
        self.say = say
        self.asked: list[Ask] = []

    def identity(self) -> Mapping[str, Any]:
        return {"kind": "scripted", "number": id(self)}

    def ask(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Answer | UserError]]:
        for place, ask in enumerate(asks):
            self.asked.append(ask)
            said = self.say(ask)
            yield place, said if isinstance(said, (Answer, UserError)) else Answer(said, "stop")


def run_scripted(say, configs: Sequence[TaskConfig], robust: str, out, *, blind=False, how="generate"):
    """A run's results, and the back end with what it was asked."""
    tasks = build_tasks(configs)
    plan = Plan(blind, 8, 100, 0, how, True, parse_kinds(robust.split(",") if robust else ()))
    items = {name: task.load() for name, task in tasks.items()}
    backend = Scripted(say)
    results = _evaluate(backend, tasks, items, out, plan, "scripted", Peers())
    return results, backend
