"""Who judges and how, and what follows from it: the way of marking, the prompt, the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from data_builders.teachers.base import Request, Settings
from data_builders.teachers.opening import Hiring
from data_builders.teachers.pictures import Picture
from eval.judges.asking import Protocol
from eval.judges.base import Beside
from eval.judges.benchmark import Benchmark
from eval.judges.checklist import Checklist, Checklists
from eval.judges.marking import Case, Marking
from eval.judges.pairwise import Pairwise
from eval.judges.prompts import Prompt
from eval.scoring import Sampling
from mmtune.errors import UserError
from mmtune.records import ImageRef
from mmtune.wording import counted

MODES = ("benchmark", "checklist", "pairwise")


@dataclass(frozen=True)
class Judging:
    """Who judges, and how.

    Raises:
        UserError: at construction, for a mode that there is not, or no run.
    """

    hiring: Hiring | None = None
    """The judge; None replays judgements."""
    replay: Path | None = None
    """A folder of judgements, or its ``judgements.jsonl``."""
    mode: str = "benchmark"
    prompt: Path | None = None
    """In the place of the prompt that ships."""
    runs: int | None = None
    """How often each question is asked; 1 by default."""
    swap: bool | None = None
    """Whether two answers are compared in both orders; by default they are."""
    max_tokens: int | None = None
    """Longest reply; the rubric's own by default."""
    temperature: float | None = None
    """Of a replay: the one that must have been used; a judge who is hired has his own."""
    checklists: Path | None = None
    """For the mode ``checklist``; without it the judge writes them."""
    show_images: bool = False
    """Whether the judge sees the images."""
    beside: Beside = field(default_factory=Beside)
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UserError(f"There is no mode {self.mode}", "--mode", f"choose one of {', '.join(MODES)}")
        if self.runs is not None and self.runs < 1:
            raise UserError(
                f"{counted(self.runs, 'run is', 'runs are')} asked for", "--runs", "give at least 1"
            )
        if (self.hiring is None) == (self.replay is None):
            raise UserError(
                "Who judges?", fix="name a judge with --judge, or judgements that there are with --replay"
            )


def marking_of(case: Case, how: Judging, checklists: Checklists) -> Marking:
    """The way of marking that was asked for.

    Raises:
        UserError: if the case cannot be marked so.
    """
    swap = how.swap is not False
    if how.mode != "benchmark" and case.missing_is_wrong:
        raise UserError(
            f"In the mode {how.mode} a missing answer is not a wrong one",
            "--missing",
            "leave them out with --missing skip",
        )
    if how.mode == "pairwise":
        return Pairwise(case, swap)
    if how.mode == "checklist":
        return Checklist(case, checklists)
    return Benchmark(case, how.beside, swap)


def hiring_for(how: Judging, hiring: Hiring, marking: Marking) -> Hiring:
    """The judge with the longest reply that a way of marking needs, unless the user named another."""
    return replace(hiring, max_tokens=how.max_tokens or marking.max_tokens)


def protocol_of(case: Case, how: Judging, hiring: Hiring, marking: Marking, prompt: Prompt) -> Protocol:
    """How a judge is asked who is hired."""
    settings = hiring_for(how, hiring, marking).settings
    return protocol_with(case, marking, prompt, settings, how.runs or 1, marking.attempts, how.show_images)


def protocol_with(
    case: Case,
    marking: Marking,
    prompt: Prompt,
    settings: Settings,
    runs: int,
    attempts: int,
    show_images: bool,
) -> Protocol:
    """How a judge is asked, from settings in full."""
    pictures = {
        item.id: tuple(Picture(case.task.images, ImageRef(image)) for image in item.images)
        for item in (case.items if show_images else ())
    }
    return Protocol(marking.name, prompt, settings, marking.readable, runs, attempts, pictures)


def rules_of(marking: Marking) -> Mapping[str, Callable[[Request], str]]:
    """What replies where no model is asked."""
    return {marking.name: lambda request: marking.rule(request.facts)}
