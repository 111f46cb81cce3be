from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from data_builders.draws import Draws
from data_builders.miniworld.captions import coco_captions, long_description, short_caption, text_scene
from data_builders.miniworld.conversations import conversation, quiz
from data_builders.miniworld.describing import CELLS, reading_order, refer
from data_builders.miniworld.painting import footprint, paint, visible_masks
from data_builders.miniworld.questions import DESCRIPTIONS, FAMILIES, VQA_FAMILIES, ask, verify
from data_builders.miniworld.questions.balance import Ledger
from data_builders.miniworld.questions.base import Question
from data_builders.miniworld.records import questions_of, tune_record
from data_builders.miniworld.vocabulary import CLASSES, COLORS, SHAPES, SIZES
from data_builders.miniworld.world import World
from data_builders.scenes import Scene
from mmtune.records import ImageRef, parse_llava, to_llava

Asked = list[tuple[Question, Scene]]


@pytest.fixture(scope="module")
def asked(scenes) -> Asked:
    """Questions of every family over the shared scenes."""
    ledger = Ledger()
    return [
        (question, scene)
        for number, scene in enumerate(scenes)
        for question in conversation(scene, Draws(1, number), ledger)
    ]


def test_every_family_is_asked_and_every_question_verifies(asked) -> None:
    assert {question.family for question, _ in asked} == set(FAMILIES)
    assert all(verify(question, scene) for question, scene in asked)


def test_every_phrasing_is_used(scenes) -> None:
    used = defaultdict(set)
    for repeat in range(6):
        for number, scene in enumerate(scenes):
            for name in FAMILIES:
                question = ask(FAMILIES[name], scene, Draws(repeat, number), Ledger())
                if question:
                    used[name].add((question.form, question.phrasing))
    for name, family in FAMILIES.items():
        wanted = {(form, n) for form, texts in family.phrasings.items() for n in range(len(texts))}
        assert used[name] == wanted, name


def test_mutated_answers_are_caught(asked) -> None:
    swap = {"yes": "no", "no": "yes", "left": "right", "right": "left", "above": "below", "below": "above"}
    for question, scene in asked:
        wrong = swap.get(question.answer, question.answer + "x")
        assert not verify(replace(question, answer=wrong), scene)
        assert not verify(replace(question, text=question.text + " "), scene)
        assert not verify(replace(question, evidence=(*question.evidence, "o9")), scene)
        assert not verify(replace(question, family="no such family"), scene)
        assert not verify(replace(question, phrasing=99), scene)


def test_questions_do_not_verify_on_scenes_where_they_are_wrong(asked, scenes) -> None:
    colours = [(question, scene) for question, scene in asked if question.family == "existence"]
    for question, _ in colours:
        name = question.arguments["class"]
        for other in scenes[:20]:
            there = bool(other.of_class(name))
            evidence = tuple(item.id for item in other.of_class(name))
            moved = replace(question, evidence=evidence)
            assert verify(moved, other) == (there == (question.answer == "yes"))


def test_records_carry_the_evidence(scenes) -> None:
    ledger = Ledger()
    for number, scene in enumerate(scenes[:30]):
        questions = conversation(scene, Draws(1, number), ledger)
        record = tune_record(scene, ImageRef("train/x.png"), questions)
        record.check()
        again = parse_llava(to_llava(record), 0)
        found = questions_of(again)
        assert [(q.text, q.answer) for q in found] == [(q.text, q.answer) for q in questions]
        assert all(verify(question, scene) for question in found)


def test_answers_agree_with_the_pixels(asked) -> None:
    """The truth once more, from the picture and the masks instead of from the annotation."""
    checked = Counter()
    for question, scene in asked:
        masks, picture = visible_masks(scene), paint(scene).astype(int)
        ends = [scene.object(object_id) for object_id in question.evidence]
        if question.family == "color" and ends[0].name in SHAPES:
            pixels = np.median(picture[masks[ends[0].id]], axis=0)
            seen = min(COLORS, key=lambda name: abs(np.array(COLORS[name]) - pixels).sum())
            assert seen == question.answer
        elif question.family == "size_comparison":
            sides = {item.name: max(footprint(item.source)) for item in ends}
            small, large = sorted(sides, key=lambda name: sides[name])
            assert sides[large] > sides[small] + 2
            assert question.answer == (large if question.form == "larger" else small)
        elif question.family in ("left_right", "above_below") and question.form == "side":
            axis = 1 if question.family == "left_right" else 0
            first, second = (np.nonzero(masks[item.id])[axis].mean() for item in ends)
            words = ("left", "right") if axis else ("above", "below")
            assert question.answer == words[int(first > second)]
        elif question.family == "position":
            rows, columns = np.nonzero(masks[ends[0].id])
            middle = (rows.min() + rows.max() + 1) / 2, (columns.min() + columns.max() + 1) / 2
            cell = CELLS[3 * int(middle[0] // 32) + int(middle[1] // 32)]
            assert cell == (question.answer if question.form == "where" else _cell_in(question.text))
        elif question.family == "count" and question.form == "class":
            assert question.answer == str(sum(i.name == question.arguments["class"] for i in scene.objects))
        else:
            continue
        checked[question.family] += 1
    assert len(checked) == 6 and min(checked.values()) > 10


def _cell_in(text: str) -> str:
    return next(cell for cell in sorted(CELLS, key=len, reverse=True) if f"in the {cell}" in text)


def test_a_conversation_asks_for_nothing_that_it_has_told(scenes) -> None:
    ledger, lengths = Ledger(), []
    for number, scene in enumerate(scenes):
        questions = conversation(scene, Draws(2, number), ledger)
        known: set[tuple[str, str]] = set()
        for question in questions:
            asks = FAMILIES[question.family].solve(scene, question.arguments).asks
            assert asks.isdisjoint(known) and question.tells
            known |= question.tells
        assert 1 <= len(questions) <= 10
        lengths.append(len(questions))
        # What tells of presence comes before any turn that names an object, or not at all.
        presence = [FAMILIES[question.family].presence for question in questions]
        assert presence == sorted(presence, reverse=True)
        assert all(question.family not in DESCRIPTIONS for question in questions[:-1])
    assert np.mean(lengths) > 7


def test_what_names_a_thing_tells_its_property() -> None:
    """After "the red star" no one is asked what colour the small star has: it would most often be red."""
    world, told = World(seed=5), Counter()
    for index in range(800):
        known: dict[str, set[str]] = {"color": set(), "size": set()}
        for question in conversation(world.scene(index), Draws(3, index), Ledger()):
            words = question.text.rstrip("?").split()
            if question.family in known:
                name = next(word for word in words if word in CLASSES)
                assert name not in known[question.family], question.text
                told[question.family] += 1
            for one, two in pairwise(words):
                if two in CLASSES and one in COLORS:
                    known["color"].add(two)
                if two in CLASSES and one in SIZES:
                    known["size"].add(two)
    assert min(told.values()) > 100


def test_a_scene_of_equal_things_still_gives_a_conversation() -> None:
    world = World(seed=1)
    alike = [
        scene for scene in map(world.scene, range(600)) if len({refer(scene, o) for o in scene.objects}) == 1
    ]
    assert alike
    for number, scene in enumerate(alike):
        assert all(conversation(scene, Draws(seed, number), Ledger()) for seed in range(5))


def test_a_quiz_asks_each_family_once_and_reads_what_there_is(scenes) -> None:
    ledger = Ledger()
    for number, scene in enumerate(scenes):
        families = [question.family for question in quiz(scene, Draws(2, number), ledger)]
        assert len(set(families)) == len(families) <= 8
        assert set(families) <= set(VQA_FAMILIES)
        if len(scene.of_class("digit")) == 1:
            assert "digit" in families
        assert ("word" in families) == bool(scene.of_class("word"))


def test_captions_name_every_object(scenes) -> None:
    for scene in scenes:
        texts = [short_caption(scene), long_description(scene), text_scene(scene)]
        captions = coco_captions(scene, Draws(1, 1))
        assert len(captions) == 5
        for text in [*texts, *captions]:
            for item in scene.objects:
                assert item.name in text
                assert item.attributes[0] in text
                if item.text:
                    assert item.text in text
        assert text_scene(scene).count(";") == len(scene.objects) - 1
        assert long_description(scene).count(" is in the ") == len(scene.objects)


def test_reading_order_goes_by_rows(scenes) -> None:
    for scene in scenes:
        rows = [int(item.center[1] // (scene.height / 3)) for item in reading_order(scene)]
        assert rows == sorted(rows)


def test_references_fit_one_object_alone(scenes) -> None:
    fitted = 0
    for scene in scenes:
        for item in scene.objects:
            phrase = refer(scene, item)
            if phrase is None:
                continue
            *words, name = phrase.split()[1:]
            fits = [o for o in scene.of_class(name) if all(word in o.attributes for word in words)]
            assert [o.id for o in fits] == [item.id]
            fitted += 1
    assert fitted > 300
