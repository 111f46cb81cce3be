"""Permuted options: does the model choose what is true, or a place?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from math import factorial
from typing import Any

import numpy as np

from eval.asking import ask_of
from eval.metrics.intervals import Array, Totals, ratio
from eval.reliability.reading import options_of_truth, read_option, true_letter
from eval.robustness.base import Case, Kind, Outcomes, Study, Variant, drawn
from eval.robustness.paired import shares
from eval.scoring import cluster, with_intervals
from eval.tasks import Item
from mmtune.errors import UserError

_MOST_OPTIONS = 26
_POINTS_AT_OTHERS = re.compile(
    r"\b(?:above|below|(?:both|neither|either) \(?[A-Z]\)?|\(?[A-Z]\)? (?:and|or|nor) \(?[A-Z]\)?)\b"
)
"""Options that speak of other options by their places, which are not true any more in another order."""


class Permute(Kind):
    """The options in other orders, with the truth moved along: every rotation, so that each option stands at
    each place once. ``permute:N`` takes N orders, the benchmark's included: rotations first, then others
    drawn for each item.

    Items are left out that show no list of lettered options, or one whose options speak of each other ("all
    of the above").

    Source: circular evaluation of Liu et al., MMBench; choice-order bias as in Dominguez-Olmedo et al.,
    Questioning the Survey Responses of Large Language Models.
    """

    name = "permute"
    title = "options in other orders"
    applies_to = "items with a list of lettered options in the question"

    def __init__(self, setting: str = "", seed: int = 0) -> None:
        super().__init__(setting, seed)
        if setting and not (setting.isdecimal() and int(setting) >= 2):
            raise UserError(
                f"permute takes a number of orders, 2 or more, not {setting!r}", "--robust", "as permute:4"
            )
        self.orders = int(setting) if setting else None

    def conditions(self) -> Sequence[str]:
        return [f"{self.name}:{number}" for number in range(1, self.orders or _MOST_OPTIONS)]

    def vary(self, case: Case, condition: str) -> Variant | None:
        number = int(condition.rpartition(":")[2])
        if not can_be_permuted(case.item):
            return None
        order = self.order(case.item, number)
        if order is None:
            return None
        item = permuted(case.item, order)
        ask = ask_of(case.task, item, case.shown, case.how)
        return Variant(ask, item, {"order": list(order), "options": dict(options_of_truth(item))})

    def order(self, item: Item, number: int) -> tuple[int, ...] | None:
        """The order of that number: for each place the option that comes there; None where there is none."""
        count = len(options_of_truth(item))
        if number < count:
            return tuple((place + number) % count for place in range(count))
        if self.orders is None or number >= factorial(count):
            return None
        return _further(count, number, self.seed, item.id)

    def summary(self, study: Study) -> dict[str, Any]:
        """By place of the truth and of the choice, over the items answered in all of their orders.

        ``consistent`` is the share of items for which the same option is named in every order, whatever it
        is; ``always_right`` that of the right one in every order. ``adjusted`` is the accuracy of the option
        that has the highest mean probability over the orders where the model chose by probability, or most
        votes otherwise (a tie is wrong). ``position_bias`` is 0 where all places are chosen alike and 1 where
        one of them always is: the total variation between the places chosen and even ones, over its maximum,
        from full rotations alone.
        """
        rounds = list(_rounds(study))
        if not rounds:
            return {}
        images = [cluster(one.item) for one in rounds]
        items = {
            name: [getattr(one, name) for one in rounds]
            for name in ("consistent", "always_right", "adjusted")
        }
        asked = {key for outcomes in study.altered.values() for key in outcomes.notes}
        found: dict[str, Any] = {
            "items": len(rounds),
            "of": len(asked),
            "orders": sum(len(one.answers) for one in rounds),
        }
        found |= shares({**items, "items": [1.0] * len(rounds)}, "items", images, study.sampling)
        places = range(max(one.options for one in rounds))
        found["unread"] = sum(answer.place is None for one in rounds for answer in one.answers)
        found["accuracy_by_position"] = _by_position(
            rounds, images, study, lambda answer, place: (answer.true == place, answer.right)
        )
        found["chosen_by_position"] = _by_position(
            rounds, images, study, lambda answer, place: (answer.place is not None, answer.place == place)
        )
        return found | {"positions": len(places), "position_bias": _bias(rounds, images, study)}


@dataclass(frozen=True)
class Placed:
    """An answer in one order."""

    place: int | None
    """Of the option that was named."""
    option: int | None
    """Its place in the benchmark's own order."""
    true: int
    """Place of the truth."""
    right: bool
    logprobs: tuple[float, ...] | None
    """Of the options, in the benchmark's own order."""


@dataclass(frozen=True)
class Round:
    """An item in all of its orders, the benchmark's first."""

    item: Item
    options: int
    truth: int
    """Place of the truth in the benchmark's own order."""
    answers: tuple[Placed, ...]

    @property
    def rotations(self) -> tuple[Placed, ...]:
        """Answers that show each option at each place once; empty where there are not so many."""
        return self.answers[: self.options] if len(self.answers) >= self.options else ()

    @property
    def consistent(self) -> float:
        """Whether one option was named in all orders."""
        named = {answer.option for answer in self.answers}
        return float(len(named) == 1 and None not in named)

    @property
    def always_right(self) -> float:
        """Whether all answers are right."""
        return float(all(answer.right for answer in self.answers))

    @property
    def adjusted(self) -> float:
        """Whether the option that all orders together speak for is the true one."""
        weights: Counter[int] = Counter()
        for answer in self.answers:
            if answer.logprobs is not None:
                top = max(answer.logprobs)
                each = [float(np.exp(score - top)) for score in answer.logprobs]
                weights.update({option: part / sum(each) for option, part in enumerate(each)})  # type: ignore[arg-type]
            elif answer.option is not None:
                weights[answer.option] += 1
        best = [option for option, weight in weights.items() if weight == max(weights.values())]
        return float(best == [self.truth])


def can_be_permuted(item: Item) -> bool:
    """Whether an item lists its lettered options in its question once, and none speaks of another."""
    options = options_of_truth(item)
    return (
        len(options) > 1
        and is_dataclass(item.truth)
        and true_letter(item) is not None
        and item.question.count(listed(options)) == 1
        and not any(_POINTS_AT_OTHERS.search(text) for text in options.values())
    )


def permuted(item: Item, order: Sequence[int]) -> Item:
    """The item with its options in another order under the same letters, and the truth with its option.

    Args:
        item: as ``can_be_permuted`` wants it.
        order: for each place, the place in the item's own order of the option that comes there.
    """
    options, letters = options_of_truth(item), list(options_of_truth(item))
    moved = {letter: options[letters[place]] for letter, place in zip(letters, order, strict=True)}
    letter = letters[list(order).index(letters.index(true_letter(item) or ""))]
    named = "letter" if hasattr(item.truth, "letter") else "answer"
    truth = replace(item.truth, **{"options": moved, named: letter})
    return replace(item, truth=truth, question=item.question.replace(listed(options), listed(moved)))


def listed(options: Mapping[str, str]) -> str:
    """The options as questions list them."""
    return "".join(f"\n{letter}. {text}" for letter, text in options.items())


def _further(count: int, number: int, seed: int, item: str) -> tuple[int, ...]:
    """The order of that number beyond the rotations, without one that came before."""
    random = drawn("permute", seed, item)
    known = {tuple((place + turn) % count for place in range(count)) for turn in range(count)}
    order = list(range(count))
    while len(known) <= number:
        random.shuffle(order)
        if tuple(order) not in known:
            known.add(tuple(order))
            last = tuple(order)
    return last


def _rounds(study: Study) -> Iterator[Round]:
    """Items that were answered in all orders that they were asked in."""
    asked: dict[str, list[Outcomes]] = {}
    for outcomes in study.altered.values():
        for item in outcomes.notes:
            asked.setdefault(item, []).append(outcomes)
    for key, orders in asked.items():
        own = study.clean.scored.get(key)
        if (
            own is None
            or not all(key in outcomes.scored for outcomes in orders)
            or not any(own.counts.values())
        ):
            continue  # rotated copies of MMBench count only together
        letters = list(options_of_truth(own.item))
        answers = [
            _placed(study, outcomes, key, outcomes.notes.get(key, {}).get("order") or range(len(letters)))
            for outcomes in (study.clean, *orders)
        ]
        yield Round(own.item, len(letters), letters.index(true_letter(own.item) or ""), tuple(answers))


def _placed(study: Study, outcomes: Outcomes, key: str, order: Sequence[int]) -> Placed:
    scored, answer = outcomes.scored[key], outcomes.answers[key]
    letters = list(options_of_truth(scored.item))
    letter = read_option(scored.item, answer.text)
    place = None if letter is None else letters.index(letter)
    scores = None
    if answer.logprobs is not None and len(answer.logprobs) == len(order):
        by_option = dict(zip(order, answer.logprobs, strict=True))
        scores = tuple(by_option[option] for option in range(len(order)))
    return Placed(
        place,
        None if place is None else order[place],
        letters.index(true_letter(scored.item) or ""),
        study.task.right(scored.counts),
        scores,
    )


def _by_position(
    rounds: Sequence[Round], images: Sequence[str], study: Study, look: Any
) -> list[dict[str, Any]]:
    """For each place a share: of the answers that ``look`` counts in, those that it counts as hits."""
    found = []
    for place in range(max(one.options for one in rounds)):
        looks = [[look(answer, place) for answer in one.answers if place < one.options] for one in rounds]
        counts = {
            "share": [float(sum(counted and hit for counted, hit in each)) for each in looks],
            "answers": [float(sum(counted for counted, _ in each)) for each in looks],
        }
        share = shares(counts, "answers", images, study.sampling)["share"]
        found.append({"position": place + 1, **share})
    return found


def _bias(rounds: Sequence[Round], images: Sequence[str], study: Study) -> dict[str, Any] | None:
    turned = [one for one in rounds if one.rotations]
    if not turned:
        return None
    sizes = sorted({one.options for one in turned})
    counts = {
        f"{size} {place}": [
            float(sum(answer.place == place for answer in one.rotations) * (one.options == size))
            for one in turned
        ]
        for size in sizes
        for place in range(size)
    }

    def told(totals: Totals) -> dict[str, Array]:
        biases, weights = [], []
        for size in sizes:
            chosen = np.stack([totals[f"{size} {place}"] for place in range(size)])
            total = chosen.sum(axis=0)
            uneven = np.abs(ratio(chosen, np.broadcast_to(total, chosen.shape)) - 1 / size).sum(axis=0) / 2
            biases.append(np.nan_to_num(uneven / (1 - 1 / size)) * total)
            weights.append(total)
        return {"bias": ratio(np.sum(biases, axis=0), np.sum(weights, axis=0))}

    of = [image for one, image in zip(rounds, images, strict=True) if one.rotations]
    return with_intervals(counts, told, of, study.sampling, ("bias",))["bias"]
