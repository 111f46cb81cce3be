"""The question families, one file each, and how a question is asked and checked."""

from __future__ import annotations

from collections.abc import Set

from data_builders.draws import Draws
from data_builders.miniworld.questions import (
    attribute,
    comparison,
    count,
    description,
    existence,
    position,
    reading,
    relation,
)
from data_builders.miniworld.questions.balance import Ledger
from data_builders.miniworld.questions.base import Fact, Family, Question, word_question
from data_builders.scenes import Scene

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        existence.FAMILY,
        attribute.COLOR,
        attribute.SIZE,
        count.FAMILY,
        relation.LEFT_RIGHT,
        relation.ABOVE_BELOW,
        reading.DIGIT_READING,
        reading.WORD_READING,
        position.FAMILY,
        comparison.SIZE,
        comparison.NUMBER,
        description.SHORT,
        description.LONG,
    )
}
DESCRIPTIONS = (description.SHORT.name, description.LONG.name)
VQA_FAMILIES = tuple(name for name in FAMILIES if name not in DESCRIPTIONS)


def ask(
    family: Family,
    scene: Scene,
    draws: Draws,
    ledger: Ledger,
    known: Set[Fact] = frozenset(),
) -> Question | None:
    """Ask one question of a scene.

    Args:
        family: of the question.
        scene: that is asked about.
        draws: for the form, the answer, the candidate and the phrasing.
        ledger: of the answers so far; it is updated.
        known: facts that earlier turns of this conversation have told; nothing is asked that rests on them.

    Returns:
        None where the family has nothing (more) to ask of this scene.
    """
    solved = []
    for arguments in family.candidates(scene, draws):
        solution = family.solve(scene, arguments)
        if solution is not None and solution.asks.isdisjoint(known):
            solved.append((arguments, solution))
    if not solved:
        return None
    if family.fair:
        answer = draws.choice(sorted({solution.answer for _, solution in solved}))
        solved = [pair for pair in solved if pair[1].answer == answer]
    chosen = ledger.rarest(family.name, solved, draws)
    if chosen is None:
        return None
    arguments, solution = chosen
    phrasing = draws.below(len(family.phrasings[arguments.get("form", "ask")]))
    return word_question(family, arguments, solution, phrasing)


def verify(question: Question, scene: Scene) -> bool:
    """Whether the question's words, answer and evidence are what the scene itself gives."""
    family = FAMILIES.get(question.family)
    if family is None:
        return False
    try:
        solution = family.solve(scene, question.arguments)
        if solution is None:
            return False
        again = word_question(family, question.arguments, solution, question.phrasing)
    except (KeyError, IndexError):
        return False
    same = (again.text, again.answer, again.evidence, again.form)
    return same == (question.text, question.answer, question.evidence, question.form)
