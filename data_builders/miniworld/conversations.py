"""Which questions are asked of a scene together, and in which order."""

from __future__ import annotations

from itertools import islice

from data_builders.draws import Draws
from data_builders.miniworld.questions import DESCRIPTIONS, FAMILIES, VQA_FAMILIES, ask
from data_builders.miniworld.questions.balance import Ledger
from data_builders.miniworld.questions.base import Fact, Question
from data_builders.scenes import Scene

# Shares of the other questions in a conversation.
_OTHERS = {
    "color": 2.5,
    "size": 1.0,
    "left_right": 3.0,
    "above_below": 2.0,
    "digit": 3.0,
    "word": 2.5,
    "position": 2.5,
    "size_comparison": 1.5,
}
# Reading is what takes longest to learn, so whatever can be read is asked first.
_READING = ("digit", "word")
_DESCRIPTION_SHARE = 0.3
_PRESENCE_SHARE = 0.6
_NUMBERS_SHARE = 0.7
_MOST_EXISTENCE = 4


def conversation(scene: Scene, draws: Draws, ledger: Ledger, turns: int = 9) -> list[Question]:
    """Questions about one scene for instruction tuning.

    More than half of the conversations begin with what is there and how many, the others leave these
    questions out: a turn that names the star would tell a later one that there is a star. Which kind it is
    does not depend on any answer. What can be read is asked next, then the rest in the order drawn; no
    question rests on what a turn before it tells. A description gives everything away; it only comes last.
    """
    known: set[Fact] = set()
    questions = _presence_questions(scene, draws, ledger, known) if draws.chance(_PRESENCE_SHARE) else []
    for name in _READING:
        found = ask(FAMILIES[name], scene, draws, ledger, known)
        if found:
            known |= found.tells
            questions.append(found)
    questions += _draw_questions(scene, draws, ledger, _OTHERS, turns - len(questions), known)
    if not questions:  # nothing in the scene can be named apart, as with three yellow stars
        questions = _presence_questions(scene, draws, ledger, known)
    if draws.chance(_DESCRIPTION_SHARE):
        last = ask(FAMILIES[draws.choice(DESCRIPTIONS)], scene, draws, ledger)
        questions += [last] if last else []
    return questions


def quiz(scene: Scene, draws: Draws, ledger: Ledger, questions: int = 8) -> list[Question]:
    """Separate questions about one scene for evaluation, each of another family; reading if there is any."""
    names = list(VQA_FAMILIES)
    draws.shuffle(names)
    names.sort(key=lambda name: name not in _READING)
    asked = (ask(FAMILIES[name], scene, draws, ledger) for name in names)
    return list(islice((question for question in asked if question is not None), questions))


def _presence_questions(scene: Scene, draws: Draws, ledger: Ledger, known: set[Fact]) -> list[Question]:
    """One or two questions for a number, mostly one that compares two, some for existence, in random order.

    Each is of other classes. Existence is asked at most as often as classes are left that are there: so each
    of these answers can be yes and no with equal chance, whatever the ones before it were.
    """
    compared = draws.chance(_NUMBERS_SHARE)
    questions = _draw_questions(scene, draws, ledger, {"number_comparison": 1.0}, int(compared), known)
    questions += _draw_questions(scene, draws, ledger, {"count": 1.0}, draws.between(1, 2), known)
    left = {item.name for item in scene.objects if ("class", item.name) not in known}
    wanted = min(len(left), _MOST_EXISTENCE)
    questions += _draw_questions(scene, draws, ledger, {"existence": 1.0}, wanted, known)
    draws.shuffle(questions)
    return questions


def _draw_questions(
    scene: Scene,
    draws: Draws,
    ledger: Ledger,
    shares: dict[str, float],
    wanted: int,
    known: set[Fact],
) -> list[Question]:
    left = dict(shares)
    questions: list[Question] = []
    while left and len(questions) < wanted:
        name = draws.weighted(tuple(left), tuple(left.values()))
        found = ask(FAMILIES[name], scene, draws, ledger, known)
        if found is None:
            del left[name]
            continue
        known |= found.tells
        questions.append(found)
    return questions
