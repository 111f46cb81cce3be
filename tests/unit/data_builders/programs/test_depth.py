"""Depth and points: nearer is nearer, and a point belongs to one object."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from data_builders.programs.asking import Settings, view_of
from data_builders.programs.points import owner
from tests.unit.data_builders.programs.scenes_by_hand import LAYERS, asked, scene, thing


def _points(text):
    return [tuple(map(float, found)) for found in re.findall(r"\(([\d.]+), ([\d.]+)\)", text)]


@pytest.mark.parametrize(("name", "best"), [("closer_point", max), ("farther_point", min)])
def test_the_closer_point_is_closer_and_is_the_printed_one(name, best):
    """ProVision compares the wrong way round, and prints points that it did not compare."""
    questions = asked(name, LAYERS)
    assert len(questions) > 20
    for question in questions:
        depths = {}
        for x, y in _points(question.question):
            inside = [o for o in LAYERS.objects if o.box_xyxy[0] < 100 * x < o.box_xyxy[2]]
            depths[x, y] = inside[0].depth
        assert depths[_points(question.answer)[0]] == best(depths.values())
        assert ("closest" in question.question) == (best is max)


@pytest.mark.parametrize(("name", "answer"), [("closer_object", "the bus"), ("farther_object", "the dog")])
def test_the_closer_object_is_the_one_in_front(name, answer):
    assert {question.answer for question in asked(name, LAYERS)} == {answer}


def test_depth_without_distances_tells_nothing_across_the_anchor():
    """The cat lies between dog and bus: which of them is closer to it in depth, an order cannot say."""
    for name in ("closer_to_anchor_object", "farther_to_anchor_object"):
        anchors = {question.arguments["anchor"] for question in asked(name, LAYERS)}
        assert anchors == {"a", "c"}
    assert {q.answer for q in asked("closer_to_anchor_object", LAYERS)} == {"the cat"}


def test_a_point_on_two_masks_or_near_a_border_belongs_to_no_object():
    nested = scene(
        thing("man", "man", (10, 10, 90, 90), masked=True), thing("hat", "hat", (40, 40, 60, 60), masked=True)
    )
    view = view_of(nested, Settings())
    assert owner(view, (0.2, 0.2)).id == "man"
    assert owner(view, (0.5, 0.5)) is None
    assert owner(view, (0.1, 0.5)) is None
    assert owner(view, (0.05, 0.05)) is None
    unmasked = view_of(
        replace(nested, objects=(nested.objects[0], thing("x", "x", (0, 0, 50, 50)))), Settings()
    )
    assert owner(unmasked, (0.2, 0.2)) is None
