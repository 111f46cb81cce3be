"""Runs a prompted builder: what it would cost, and the build itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data_builders.prompted.base import Kit, PromptedBuilder, Source
from data_builders.teachers.base import Failure, Reply, Teacher, Usage
from data_builders.teachers.building import Report, Unit, build
from data_builders.teachers.ledger import Price, estimate, price_text
from data_builders.teachers.rules import Rules
from mmtune.errors import UserError


@dataclass(frozen=True)
class Estimate:
    """What a build would ask, before anything is spent.

    Args:
        units: pieces of input.
        unusable: of them, those that would fail for what they lack, by reason.
        requests: to the teacher, without repeats.
        prompt_tokens: about.
        completion_tokens: at most.
        price: of a million tokens, where it is known.
    """

    units: int
    unusable: Mapping[str, int]
    requests: int
    prompt_tokens: int
    completion_tokens: int
    price: Price | None = None

    @property
    def money(self) -> str:
        """What it would cost at most, for a person."""
        return price_text(self.price, Usage(self.prompt_tokens, self.completion_tokens))

    def __str__(self) -> str:
        """One line for a person."""
        return (
            f"{self.units} units, {self.requests} requests, about {self.prompt_tokens:,} tokens to read,"
            f" at most {self.completion_tokens:,} to write, {self.money}"
        )


def dry_run(
    builder: PromptedBuilder, sources: Iterable[Source], kit: Kit, price: Price | None = None
) -> Estimate:
    """Go through all steps with the builder's rules in the teacher's place, and count.

    A real teacher's answers lead to other numbers of later requests; the longest answers are counted in full.
    """
    rules = Rules(builder.rules)
    asked: set[int] = set()
    units = requests = prompt = completion = 0
    lacking: dict[str, int] = {}
    for source in sources:
        units += 1
        try:
            steps = builder.steps(source, kit)
            batch = next(steps)
            while True:
                replies = []
                for request in batch:
                    content = hash((request.messages, request.settings))
                    if content not in asked:
                        asked.add(content)
                        usage = estimate(request)
                        requests, prompt = requests + 1, prompt + usage.prompt_tokens
                        completion += usage.completion_tokens
                    replies.append(_ruled(rules.answer(request)))
                batch = steps.send(replies)
        except StopIteration:
            continue
        except UserError as error:
            lacking[error.what] = lacking.get(error.what, 0) + 1
    return Estimate(units, lacking, requests, prompt, completion, price)


def _ruled(answer: Reply | Failure) -> Reply:
    if isinstance(answer, Failure):
        raise UserError(answer.reason)
    return answer


def run(
    builder: PromptedBuilder,
    sources: Iterable[Source],
    teacher: Teacher,
    folder: Path,
    kit: Kit,
    *,
    at_once: int = 64,
    progress: Callable[[int], object] | None = None,
) -> Report:
    """Build with a teacher; the same call goes on where an earlier one ended.

    Raises:
        UserError: as ``data_builders.teachers.building.build``.
    """
    kit = replace(kit, teacher=dict(teacher.identity))
    description: dict[str, Any] = {
        "builder": builder.name,
        "seed": kit.seed,
        "prompts": kit.prompts.sha256,
        "settings": vars(kit.settings),
        "options": dict(kit.options),
        "images": kit.image_root is not None,
        "side_px": kit.side_px,
    }
    units: Iterable[Unit] = (builder.unit(source, kit) for source in sources)
    return build(units, teacher, folder, description=description, at_once=at_once, progress=progress)
