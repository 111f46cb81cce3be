"""Questions about more than a thousand scenes give nothing away by their words."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest

from data_builders.draws import Draws
from data_builders.miniworld.conversations import conversation, quiz
from data_builders.miniworld.questions import FAMILIES, ask
from data_builders.miniworld.questions.balance import Ledger
from data_builders.miniworld.questions.base import Question
from data_builders.miniworld.world import World

_CHANCE = {
    "existence": 1 / 2, "color": 1 / 8, "size": 1 / 2, "count": 1 / 4, "left_right": 1 / 2, "above_below": 1 / 2,
    "digit": 1 / 10, "word": 1 / 24, "position": 1 / 9, "size_comparison": 1 / 2, "number_comparison": 1 / 2,
}  # fmt: skip


def _blind_accuracy(questions: list[Question]) -> float:
    """The better half answers by the most frequent answer to the same words, else to the same form."""
    half = len(questions) // 2
    by_text, by_form = defaultdict(Counter), defaultdict(Counter)
    for question in questions[:half]:
        by_text[question.text][question.answer] += 1
        by_form[question.form][question.answer] += 1
    right = 0
    for question in questions[half:]:
        seen = by_text.get(question.text) or by_form[question.form]
        right += bool(seen) and seen.most_common(1)[0][0] == question.answer
    return right / (len(questions) - half)


@pytest.mark.parametrize("converse", [quiz, conversation])
def test_no_question_is_answered_by_its_words(converse) -> None:
    world, ledger = World(seed=9), Ledger()
    asked: dict[str, list[Question]] = defaultdict(list)
    everything = []
    for index in range(1600):
        scene = world.scene(index)
        found = converse(scene, Draws(4, index), ledger)
        everything.append(found)
        for question in found:
            asked[question.family].append(question)
    for family, chance in _CHANCE.items():
        assert len(asked[family]) > 100
        accuracy = _blind_accuracy(asked[family])
        # Four standard errors of a guess over the half that is answered, and what is left of imbalance.
        noise = 4 * np.sqrt(chance * (1 - chance) / (len(asked[family]) / 2))
        assert accuracy < chance + noise + (0.1 if family == "count" else 0.02), (family, accuracy)
    for family in ("existence", "number_comparison"):
        share = np.mean([question.answer == "yes" for question in asked[family]])
        assert abs(share - 0.5) < 0.06, (family, share)
    # Neither the order of the two names nor the names themselves give a comparison away.
    first = [_named_first(question) for question in asked["size_comparison"]]
    assert abs(np.mean(first) - 0.5) < 0.08
    for name in {question.answer for question in asked["size_comparison"]}:
        named = [question for question in asked["size_comparison"] if f" {name}" in question.text]
        if len(named) > 60:
            assert abs(np.mean([question.answer == name for question in named]) - 0.5) < 0.2, name
    _check_turn_order(everything)


def _named_first(question: Question) -> bool:
    first, _, _ = question.text.rpartition(" or ")
    return first.endswith(question.answer)


def _check_turn_order(conversations: list[list[Question]]) -> None:
    """Existence is as often yes after a yes as after a no, and as often early as late."""
    following, places = defaultdict(list), defaultdict(list)
    for questions in conversations:
        answers = [question.answer == "yes" for question in questions if question.family == "existence"]
        for place, answer in enumerate(answers):
            places[place].append(answer)
        for before, after in pairwise(answers):
            following[before].append(after)
    for found in (*following.values(), *places.values()):
        if len(found) > 200:
            assert abs(np.mean(found) - 0.5) < 0.1


def test_existence_is_fair_for_each_class() -> None:
    """Rare classes and frequent ones alike: the name alone tells nothing."""
    world, ledger = World(seed=3), Ledger()
    answers = defaultdict(list)
    for index in range(1000):
        scene, draws = world.scene(index), Draws(6, index)
        for _ in range(3):
            question = ask(FAMILIES["existence"], scene, draws, ledger)
            answers[question.arguments["class"]].append(question.answer == "yes")
    assert len(answers) == 14
    for name, found in answers.items():
        assert abs(np.mean(found) - 0.5) < 0.12, (name, np.mean(found), len(found))
