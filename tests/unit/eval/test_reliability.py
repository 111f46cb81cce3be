"""Calibration, selective answering, yes-bias and abstention: figures worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.backends.base import Answer
from eval.metrics.abstention import abstention_scores, declines, is_unanswerable
from eval.metrics.calibration import (
    equal_mass_curve,
    equal_mass_error,
    expected_calibration_error,
    reliability_curve,
)
from eval.reliability.abstention import unanswerable
from eval.reliability.confidence import softmax
from eval.reliability.reading import read_option, said_yes, told, true_letter, true_yes
from eval.reliability.results import reliability
from eval.report.numbers import label
from eval.report.robustness import reliability_view
from eval.runner import evaluate
from eval.scoring import Sampling, Scored, score_table
from eval.tasks import Item, TaskConfig, build_tasks
from eval.tasks.choices import Choice

SAMPLING = Sampling(resamples=200)
SURE = [0.95, 0.85, 0.85, 0.65, 0.55, 0.55]
RIGHT = [1, 1, 0, 1, 0, 0]


def test_calibration_by_hand():
    # Ten bins: 0.5-0.6 holds two, both wrong; 0.6-0.7 one, right; 0.8-0.9 two, one right; 0.9-1 one, right.
    by_hand = (2 * 0.55 + 0.35 + 2 * 0.35 + 0.05) / 6
    assert expected_calibration_error(SURE, RIGHT, bins=10) == pytest.approx(by_hand)
    curve = reliability_curve(SURE, RIGHT, bins=10)
    assert [(one.low, one.n, one.accuracy) for one in curve] == [
        (0.5, 2, 0),
        (0.6, 1, 1),
        (0.8, 2, 0.5),
        (0.9, 1, 1),
    ]
    # Three bins of two: (.55 .55 | .65 | ...): equal ones stay together, so .65 is joined by neither .85.
    masses = equal_mass_curve(SURE, RIGHT, bins=3)
    assert [(one.low, one.high, one.n) for one in masses] == [
        (0.55, 0.55, 2),
        (0.65, 0.85, 3),
        (0.95, 0.95, 1),
    ]
    second = abs((0.65 + 2 * 0.85) / 3 - 2 / 3)
    assert equal_mass_error(SURE, RIGHT, bins=3) == pytest.approx((2 * 0.55 + 3 * second + 0.05) / 6)
    assert equal_mass_error([], []) is None and reliability_curve([], []) == []
    with pytest.raises(ValueError):
        equal_mass_error([float("nan")], [1])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40), st.integers(1, 15))
def test_bins_hold_every_answer_once_and_do_not_depend_on_order(pairs, bins):
    sure, right = [p for p, _ in pairs], [r for _, r in pairs]
    for curve_of in (reliability_curve, equal_mass_curve):
        curve = curve_of(sure, right, bins)
        assert sum(one.n for one in curve) == len(pairs) and len(curve) <= bins
        assert sum(one.n * one.accuracy for one in curve) == pytest.approx(sum(right))
        back = curve_of(sure[::-1], right[::-1], bins)
        assert [one.n for one in back] == [one.n for one in curve]
    assert 0 <= equal_mass_error(sure, right, bins) <= 1


def test_probabilities_of_options_sum_to_one_whatever_was_left_out():
    assert softmax([math.log(0.3), math.log(0.1)]) == pytest.approx([0.75, 0.25])
    assert softmax([-1000.0, -1000.0]) == [0.5, 0.5]


def pope(world):
    (task,) = build_tasks([world.configs["pope"]]).values()
    return task, task.load()


def figures(task, items, answers):
    scored = [Scored(item, task.score(answers[item.id].text, item)) for item in items]
    return reliability(task, scored, answers, SAMPLING)


def test_confidence_of_options_and_of_what_was_generated_stand_apart(world):
    task, items = pope(world)
    # Always yes: right for half of them. Sure by 0.8, which is 0.3 too much.
    scores = (math.log(0.4), math.log(0.1))
    found = figures(task, items, {i.id: Answer("Yes", "decided", scores) for i in items})
    (way, told_of), *_ = found["confidence"].items()
    assert way == "options" and (told_of["n"], told_of["of"]) == (24, 24)
    assert [told_of["ece"]["value"], told_of["ece_equal_mass"]] == pytest.approx([0.3, 0.3])
    assert told_of["brier"]["value"] == pytest.approx((0.04 + 0.64) / 2)
    assert told_of["aurc"] == 0.5 and told_of["coverage_at"] == {"0.8": 0.0, "0.9": 0.0, "0.95": 0.0}
    assert told_of["reliability"][0]["n"] == 24

    answers = {i.id: Answer(i.truth, "stop", sure=math.log(0.5)) for i in items[:10]}
    answers |= {i.id: Answer(i.truth, "stop") for i in items[10:]}  # known from a run that did not tell
    found = figures(task, items, answers)["confidence"]["generated"]
    assert (found["n"], found["of"], found["ece"]["value"]) == (10, 24, pytest.approx(0.5))
    assert found["coverage_at"]["0.9"] == 1.0
    assert figures(task, items, {i.id: Answer("yes", "stop") for i in items})["confidence"] is None


def test_a_model_that_knows_when_it_is_wrong_can_leave_that_out(world):
    task, items = pope(world)
    right = {i.id: n % 4 != 0 for n, i in enumerate(items)}
    answers = {
        i.id: Answer(
            i.truth if right[i.id] else {"yes": "no", "no": "yes"}[i.truth],
            "stop",
            sure=math.log(0.9 if right[i.id] else 0.4),
        )
        for i in items
    }
    found = figures(task, items, answers)["confidence"]["generated"]
    assert found["coverage_at"] == {"0.8": 0.75, "0.9": 0.75, "0.95": 0.75}
    assert found["aurc"] == pytest.approx(0.25 * 0.25)  # risk 0 up to 0.75, then 0.25


def test_yes_bias_by_hand(world):
    task, items = pope(world)
    # Yes to all but two whose truth is yes; "hm" once where it is no.
    said = {i.id: "yes" for i in items}
    yes, no = [i for i in items if i.truth == "yes"], [i for i in items if i.truth == "no"]
    said |= {yes[0].id: "No.", yes[1].id: "no", no[0].id: "hm"}
    found = figures(task, items, {key: Answer(text, "stop") for key, text in said.items()})["yes_bias"]
    assert found["n"] == 24 and found["logit_gap"] is None
    assert found["yes_ratio"]["value"] == 21 / 24 and found["true_yes_ratio"]["value"] == 0.5
    assert found["difference"]["value"] == pytest.approx(9 / 24)
    assert found["yes_where_no"]["value"] == pytest.approx(11 / 12) and found["yes_where_no"]["n"] == 12
    assert found["no_where_yes"]["value"] == pytest.approx(2 / 12)
    assert found["neither"]["value"] == pytest.approx(1 / 24)


def test_the_share_of_yes_is_one_figure_in_scores_and_bias_and_the_scripts_own_is_named(world, tmp_path):
    task, items = pope(world)
    said = {i.id: Answer({"yes": "Yes", "no": "hm"}[i.truth], "stop") for i in items}
    scored = [Scored(item, task.score(said[item.id].text, item)) for item in items]
    metrics = score_table(task, scored, SAMPLING)
    bias = figures(task, items, said)["yes_bias"]
    assert bias["yes_ratio"]["value"] == metrics["yes_ratio_fixed"]["value"] == 0.5
    assert metrics["yes_ratio"]["value"] == 1.0
    part = {"yes_bias": bias, "metrics": metrics}
    ((told_of,),) = (one["parts"] for one in reliability_view({"tasks": {"pope": part}}))
    assert "counts as not yes" in told_of["note"] and "is 1.000: the script takes for yes" in told_of["note"]
    assert label("yes_ratio") in told_of["note"]
    part["metrics"] = metrics | {"yes_ratio": bias["yes_ratio"]}
    assert "script" not in reliability_view({"tasks": {"pope": part}})[0]["parts"][0]["note"]


def test_the_logit_gap_tells_leaning_from_knowing(world):
    task, items = pope(world)
    # Knows by 3 in either direction, leans to yes by 1.
    answers = {
        i.id: Answer(i.truth.capitalize(), "decided", (0.0, -4.0 if i.truth == "yes" else 2.0)) for i in items
    }
    gap = figures(task, items, answers)["yes_bias"]["logit_gap"]
    assert (gap["where_yes"]["value"], gap["where_no"]["value"]) == (4.0, -2.0)
    assert (gap["bias"]["value"], gap["mean"]["value"]) == (1.0, 1.0)
    unbalanced = {i.id: answers[i.id] for i in items if i.truth == "yes"}
    only_yes = [i for i in items if i.truth == "yes"]
    gap = figures(task, only_yes, unbalanced)["yes_bias"]["logit_gap"]
    assert gap["mean"]["value"] == 4.0 and gap["bias"]["value"] is None


@pytest.mark.parametrize(
    ("reply", "whether"),
    [
        ("Unanswerable", True),
        ("unanswerable.", True),
        ("I cannot tell what it says.", True),
        ("It’s not possible to determine the colour", True),
        ("There is not enough information to say.", True),
        ("I don't know", True),
        ("It can't be determined from this photo.", True),
        ("not a cup", False),
        ("no", False),
        ("A can of beans", False),
        ("unsuitably dressed man", False),
        ("", False),
    ],
)
def test_replies_that_decline(reply, whether):
    assert declines(reply) is whether


def test_abstention_by_hand():
    found = abstention_scores([True, True, False, False], [True, False, True, False])
    assert found == {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert abstention_scores([False], [True]) == {"precision": None, "recall": 0.0, "f1": None}
    assert is_unanswerable("Unsuitable image.") and not is_unanswerable("no answer sheet")
    with pytest.raises(ValueError):
        abstention_scores([True], [])


def test_what_has_no_answer_is_told_by_flag_annotators_or_truth():
    ten = [{"answer": "unanswerable"}] * 6 + [{"answer": "red"}] * 4
    assert unanswerable(Item("1", "i", "?", {"answers": ten, "answerable": 1})) is False  # the flag counts
    assert unanswerable(Item("1", "i", "?", {"answers": ten, "answerable": 0})) is True
    assert unanswerable(Item("1", "i", "?", {"answers": ten, "answerable": None})) is True
    assert unanswerable(Item("1", "i", "?", ["unanswerable"] * 5 + ["red"] * 5)) is None
    assert unanswerable(Item("1", "i", "?", "unanswerable")) is True
    assert unanswerable(Item("1", "i", "?", "red")) is False
    assert unanswerable(Item("1", "i", "?")) is None


def test_vizwiz_tells_how_the_model_abstains(world, seeing, tmp_path):
    rows = [
        {
            "image": world.file(n),
            "question": "What is it?",
            "answers": [{"answer": "unanswerable" if n <= 4 else "red", "answer_confidence": "yes"}] * 10,
            "answer_type": "unanswerable" if n <= 4 else "other",
            "answerable": int(n > 4),
        }
        for n in range(1, 13)
    ]
    path = world.write("val.json", rows)
    declined = {"red": "Unanswerable", "green": "I cannot tell.", "blue": "red", "white": "red"}
    seeing._reply = lambda text, colour: declined[colour]
    (task,) = build_tasks([TaskConfig("vizwiz", str(path), str(world.root / "images"))]).values()
    found = evaluate(seeing, {"vizwiz": task}, tmp_path, blind=False, resamples=50)["tasks"]["vizwiz"]
    told_of = found["abstention"]
    # Colours repeat every four images: six are declined, two of them rightly.
    assert (told_of["n"], told_of["unanswerable"], told_of["declined"]) == (12, 4, 6)
    assert told_of["precision"]["value"] == pytest.approx(1 / 3) and told_of["precision"]["n"] == 6
    assert told_of["recall"]["value"] == 0.5 and told_of["f1"]["value"] == pytest.approx(0.4)
    assert told_of["declined_wrongly"]["value"] == 0.5
    assert found["metrics"]["abstained"]["value"] == 0.25  # only the exact word, as the server has it


def test_readings(world):
    task, _ = pope(world)
    choice = Item("1", "i", "?", Choice("B", {"A": "a cup", "B": "a plate"}))
    assert [read_option(choice, text) for text in ("B", "(a)", "It is a plate", "hm", "C")] == [
        "B",
        "A",
        "B",
        None,
        None,
    ]
    assert true_letter(choice) == "B" and true_letter(Item("1", "i", "?", "B")) is None
    assert told(task, choice, "A.") == told(task, choice, "a cup") == "option a cup"
    assert [
        true_yes(Item("1", "i", "?", t)) for t in ("yes", "No", "red", ["yes"] * 6 + ["no"] * 4, None)
    ] == [
        True,
        False,
        None,
        True,
        None,
    ]
    assert [said_yes(task, text) for text in ("Yes.", "There is no cup", "a cup")] == [True, False, None]
    plain = Item("1", "i", "?", "red")
    assert told(task, plain, "A Red!") == told(task, plain, "red")


def test_a_run_tells_of_every_task_what_has_a_meaning_there(world, seeing, tmp_path):
    tasks = build_tasks(world.configs.values())
    found = evaluate(seeing, tasks, tmp_path, blind=False, how="next_token", resamples=20)["tasks"]
    assert found["pope_random"]["confidence"]["options"]["accuracy"]["value"] == 1.0
    assert found["pope_random"]["yes_bias"]["logit_gap"]["bias"]["value"] == pytest.approx(0.0)
    assert found["vqav2"]["confidence"] is None and found["vqav2"]["yes_bias"] is None
    for name in ("chair", "captions"):
        assert all(found[name][key] is None for key in ("confidence", "yes_bias", "abstention"))
