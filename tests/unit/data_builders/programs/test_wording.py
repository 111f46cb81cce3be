"""From a solved question to its words: options that tell nothing by themselves."""

from __future__ import annotations

from collections import Counter

import pytest

from data_builders.draws import Draws
from data_builders.programs.base import Program, Solution
from data_builders.programs.objects import near_numbers
from data_builders.programs.wording import MOST_OPTIONS, draw_wording, word

ASKS = Program("asks", "", "", "", {"ask": ("How many?",)}, lambda views, draws: (), lambda views, row: None)
TIMES = 2000


@pytest.mark.parametrize(("number", "ranks"), [(7, 4), (40, 4), (2, 3), (1, 2), (0, 1)])
def test_the_right_number_is_as_often_the_smallest_as_any(number: int, ranks: int):
    """Taken at random from the three below and the three above, it was one of the middle two in 9 of 10."""
    draws, solution = Draws(3), Solution(str(number), (), wrong=near_numbers(number))
    places, found = Counter[int](), Counter[int]()
    for _ in range(TIMES):
        asked = draw_wording(ASKS, {}, solution, draws, "choice")
        assert word(ASKS, asked.arguments, solution) == asked
        options = asked.arguments["options"]
        assert len(set(options)) == MOST_OPTIONS and options.count(str(number)) == 1
        places[options.index(str(number))] += 1
        found[sum(int(option) < number for option in options)] += 1
    assert set(found) == set(range(ranks))
    assert all(abs(count - TIMES / ranks) < TIMES * 0.05 for count in found.values()), found
    assert all(abs(count - TIMES / MOST_OPTIONS) < TIMES * 0.05 for count in places.values()), places
