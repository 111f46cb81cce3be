"""Which questions are asked of a scene together, and in which order."""

from __future__ import annotations

from itertools import islice

from data_builders.miniworld.draws import Draws
from data_builders.miniworld.questions import DESCRIPTIONS, FAMILIES, VQA_FAMILIES, ask
from data_builders.miniworld.questions.balance import Ledger
from data_builders.miniworld.questions.base import Question
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
    "number_comparison": 3.0,
}
# Reading is what takes longest to learn, so whatever can be read is asked first.
_READING = ("digit", "word")
_DESCRIPTION_SHARE = 0.3
_PRESENCE_SHARE = 0.6
_MOST_EXISTENCE = 4


def conversation(scene: Scene, draws: Draws, ledger: Ledger, turns: int = 9) -> list[Question]:
    """Questions about one scene for instruction tuning.

    More than half of the conversations begin with what is there and how many, the others leave these
    questions out: a turn that names the star would tell a later one that there is a star. Which kind it is
    does not depend on any answer, and inside a group the order is random, so no place in a conversation
    tells anything about an answer. A description gives everything away; it only comes last.
    """
    asked: set[tuple[str, ...]] = set()
    questions = _presence_questions(scene, draws, ledger, asked) if draws.chance(_PRESENCE_SHARE) else []
    rest = []
    for name in _READING:
        found = ask(FAMILIES[name], scene, draws, ledger, frozenset(asked))
        if found:
            asked.add(found.fact)
            rest.append(found)
    wanted = turns - len(questions) - len(rest)
    shares = {name: share for name, share in _OTHERS.items() if not (questions and FAMILIES[name].presence)}
    rest += _draw_questions(scene, draws, ledger, shares, wanted, asked)
    draws.shuffle(rest)
    questions += rest
    if not questions:  # nothing in the scene can be named apart, as with three yellow stars
        questions = _presence_questions(scene, draws, ledger, asked)
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


def _presence_questions(
    scene: Scene, draws: Draws, ledger: Ledger, asked: set[tuple[str, ...]]
) -> list[Question]:
    """One or two questions for a number, some for existence, each of another class, in random order.

    Existence is asked at most as often as classes are left that are there: so each of these answers can
    be yes and no with equal chance, whatever the ones before it were.
    """
    questions = _draw_questions(scene, draws, ledger, {"count": 1.0}, draws.between(1, 2), asked)
    left = {item.name for item in scene.objects if ("class", item.name) not in asked}
    wanted = min(len(left), _MOST_EXISTENCE)
    questions += _draw_questions(scene, draws, ledger, {"existence": 1.0}, wanted, asked)
    draws.shuffle(questions)
    return questions


def _draw_questions(
    scene: Scene,
    draws: Draws,
    ledger: Ledger,
    shares: dict[str, float],
    wanted: int,
    asked: set[tuple[str, ...]],
) -> list[Question]:
    left = dict(shares)
    questions: list[Question] = []
    while left and len(questions) < wanted:
        name = draws.weighted(tuple(left), tuple(left.values()))
        found = ask(FAMILIES[name], scene, draws, ledger, frozenset(asked))
        if found is None:
            del left[name]
            continue
        asked.add(found.fact)
        questions.append(found)
    return questions
