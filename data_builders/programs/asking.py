"""Asking scenes: which of a program's questions become turns, the same for every order of the scenes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from data_builders.draws import Draws
from data_builders.programs.base import Arguments, Program, Solution
from data_builders.programs.view import Names, View
from data_builders.programs.wording import Asked, Mode, draw_wording
from data_builders.scenes import Scene
from mmtune.errors import UserError
from mmtune.records import IMAGE_PLACEHOLDER, VIDEO_PLACEHOLDER

MOST_PROPOSED = 64
"""Proposals of a program that are looked at for one record, whatever the scenes hold."""
_PLACEHOLDERS = (IMAGE_PLACEHOLDER, VIDEO_PLACEHOLDER)


@dataclass(frozen=True, slots=True)
class Settings:
    """What all programs let a person choose.

    Args:
        seed: same seed and scenes, same records.
        mode: "short" answers, multiple "choice" where a question allows it, or "both" equally often.
        turns: most questions of one program in one record.
        names: when a class name alone may refer to an object; see ``View``.
        digits: of coordinates, which are ratios.
    """

    seed: int = 0
    mode: Mode = "both"
    turns: int = 4
    names: Names = "exhaustive"
    digits: int = 2

    def __post_init__(self) -> None:
        if self.mode not in ("short", "choice", "both"):
            raise UserError(f"unknown mode {self.mode!r}", "--mode", "use short, choice or both")
        if self.names not in ("exhaustive", "annotated"):
            raise UserError(f"unknown rule {self.names!r}", "--names", "use exhaustive or annotated")
        if self.turns < 1 or not 1 <= self.digits <= 6:
            raise UserError("a record has 1 turn or more, a coordinate 1 to 6 digits", "--turns, --digits")


def view_of(scene: Scene, settings: Settings) -> View:
    """The scene as the programs see it."""
    return View(scene, settings.names, settings.digits)


def stream(settings: Settings, program: Program, *scene_ids: str) -> Draws:
    """The draws of one program about these scenes, which no other program and no other scene changes."""
    return Draws(settings.seed, stable_number(program.name), stable_number("\0".join(scene_ids)))


@lru_cache(maxsize=1024)
def stable_number(text: str) -> int:
    """A number that is the same in every process: 64 bits out of two checksums."""
    data = text.encode("utf-8", "surrogatepass")
    return zlib.crc32(data) << 32 | zlib.adler32(data)


def ask(program: Program, views: Sequence[View], draws: Draws, settings: Settings) -> list[Asked]:
    """Questions of one program about these scenes, at most ``settings.turns``; none where it has nothing."""
    solved = _solved(program, views, draws)
    if program.together:
        chosen = list(solved)
    elif program.fair:
        chosen = _fair(list(solved), draws, settings.turns)
    else:
        chosen = list(islice(solved, settings.turns))
    asked = []
    for arguments, solution in chosen:
        found = draw_wording(program, arguments, solution, draws, settings.mode)
        text = found.question + found.answer
        # Words of the annotation must not stand where an image is expected.
        if "<" not in text or not any(tag in text for tag in _PLACEHOLDERS):
            asked.append(found)
        elif program.together:
            return []
    return asked


def _solved(
    program: Program, views: Sequence[View], draws: Draws
) -> Iterable[tuple[dict[str, Any] | Arguments, Solution]]:
    proposed = islice(program.propose(views, draws), MOST_PROPOSED)
    if not program.together:
        for arguments in proposed:
            solution = program.solve(views, arguments)
            if solution is not None:
                yield arguments, solution
        return
    found = [(arguments, program.solve(views, arguments)) for arguments in proposed]
    if all(solution is not None for _, solution in found):
        yield from ((arguments, solution) for arguments, solution in found if solution is not None)


def _fair(solved: list[tuple[Any, Solution]], draws: Draws, turns: int) -> list[tuple[Any, Solution]]:
    """Draw an answer, each equally likely, then a question with it, until there are enough."""
    by_answer: dict[str, list[tuple[Any, Solution]]] = {}
    for pair in solved:
        by_answer.setdefault(pair[1].side or pair[1].answer, []).append(pair)
    chosen: list[tuple[Any, Solution]] = []
    # With one answer left, all that follow would have it, and the last ones asked would be no riddle.
    while len(by_answer) > 1 and len(chosen) < turns:
        answer = draws.choice(sorted(by_answer))
        group = by_answer[answer]
        chosen.append(group.pop(draws.below(len(group))))
        if not group:
            del by_answer[answer]
    return chosen
