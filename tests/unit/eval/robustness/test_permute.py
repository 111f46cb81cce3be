"""Options in other orders: what is moved, and what a model that leans to a place shows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.asking import Ask
from eval.backends import Answer
from eval.robustness.permute import Permute, can_be_permuted, permuted
from eval.tasks import Item
from eval.tasks.choices import Choice, asked, lettered
from tests.unit.eval.coloured_choices import knows, options_shown, write_choices
from tests.unit.eval.scripted import run_scripted


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(2, 6), st.integers(0, 5), st.integers(1, 40), st.text("abxyz", min_size=1, max_size=5))
def test_a_permutation_undone_is_the_item_as_it_was(count, truth, number, item_id):
    options = lettered([f"thing {n}" for n in range(count)])
    letter = list(options)[truth % count]
    item = Item(item_id, "i.png", asked("Which?", options, "A hint."), Choice(letter, options), {}, item_id)
    order = Permute("40").order(item, number)
    if order is None:
        assert number >= {2: 2, 3: 6, 4: 24}.get(count, 99)
        return
    moved = permuted(item, order)
    assert sorted(order) == list(range(count)) and list(order) != list(range(count))
    assert moved.truth.options[moved.truth.letter] == options[letter]
    assert options_shown(moved.question) == moved.truth.options
    back = [order.index(place) for place in range(count)]
    assert permuted(moved, back) == item


def test_orders_are_rotations_first_and_never_the_same_twice():
    options = lettered("wxyz")
    item = Item("7", "", asked("Which?", options), Choice("A", options))
    kind = Permute("24")
    orders = [kind.order(item, number) for number in range(1, 24)]
    assert len(set(orders)) == 23 and (0, 1, 2, 3) not in orders
    assert orders[:3] == [(1, 2, 3, 0), (2, 3, 0, 1), (3, 0, 1, 2)]
    assert kind.order(item, 24) is None and Permute().order(item, 4) is None
    assert Permute("24", seed=1).order(item, 4) != kind.order(item, 4)


@pytest.mark.parametrize(
    ("options", "whether"),
    [
        (("red", "blue"), True),
        (("red", "All of the above"), False),
        (("Both A and B", "neither"), False),
        (("A and C", "B"), False),
        (("Ann and Bob", "a cat and a dog"), True),
        (("one",), False),
    ],
)
def test_options_that_speak_of_each_other_keep_their_places(options, whether):
    named = lettered(options)
    assert can_be_permuted(Item("1", "", asked("Which?", named), Choice("A", named))) is whether


def test_a_model_that_always_names_the_first_option_has_all_of_the_bias(world, tmp_path):
    results, _ = run_scripted(lambda ask: "A", [write_choices(world)], "permute", tmp_path)
    told = results["robustness"]["cvbench"]["permute"]["summary"]
    assert told["position_bias"]["value"] == pytest.approx(1.0)
    assert [one["value"] for one in told["chosen_by_position"]] == [1.0, 0.0, 0.0, 0.0]
    assert [one["value"] for one in told["accuracy_by_position"]] == [1.0, 0.0, 0.0, 0.0]
    assert (told["consistent"]["value"], told["always_right"]["value"], told["items"]) == (0.0, 0.0, 12)
    assert told["adjusted"]["value"] == 0.0  # four options with a vote each
    assert told["unread"] == 0


def test_a_model_that_knows_is_right_at_every_place(world, tmp_path):
    results, backend = run_scripted(
        lambda ask: knows(world, ask), [write_choices(world)], "permute", tmp_path
    )
    told = results["robustness"]["cvbench"]["permute"]
    summary = told["summary"]
    assert summary["position_bias"]["value"] == 0.0
    assert {one["value"] for one in summary["accuracy_by_position"]} == {1.0}
    assert [one["n"] for one in summary["accuracy_by_position"]] == [12] * 4
    assert (
        summary["consistent"]["value"]
        == summary["always_right"]["value"]
        == summary["adjusted"]["value"]
        == 1.0
    )
    assert len(backend.asked) == 4 * 12
    one = told["conditions"]["permute:1"]
    assert (one["n"], one["of"], one["changed"]["value"], one["difference"]["accuracy"]["value"]) == (
        12,
        12,
        0,
        0,
    )


def test_probabilities_over_all_orders_make_the_adjusted_answer(world, tmp_path):
    """A model that leans to A by more than it knows, but knows a little: the lean cancels out."""

    def lean(ask: Ask) -> Answer:
        true = knows(world, ask)
        scores = tuple(1.0 * (letter == "A") + 0.5 * (letter == true) for letter in ask.meanings)
        return Answer(ask.meanings[scores.index(max(scores))], "decided", scores)

    results, _ = run_scripted(lean, [write_choices(world)], "permute", tmp_path, how="next_token")
    told = results["robustness"]["cvbench"]["permute"]["summary"]
    assert results["tasks"]["cvbench"]["metrics"]["accuracy"]["value"] < 0.5
    assert told["adjusted"]["value"] == 1.0 and told["position_bias"]["value"] == pytest.approx(1.0)


def test_too_few_orders_say_nothing_about_places(world, tmp_path):
    results, _ = run_scripted(lambda ask: "A", [write_choices(world)], "permute:3", tmp_path)
    told = results["robustness"]["cvbench"]["permute"]
    assert list(told["conditions"]) == ["permute:1", "permute:2"]
    assert told["summary"]["position_bias"] is None


def test_replies_without_an_option_are_counted_and_wrong(world, tmp_path):
    results, _ = run_scripted(lambda ask: "I would rather not.", [write_choices(world)], "permute", tmp_path)
    told = results["robustness"]["cvbench"]["permute"]["summary"]
    assert (told["unread"], told["consistent"]["value"], told["position_bias"]["value"]) == (48, 0.0, None)
