"""Nothing is asked that the annotation does not answer: the bugs and gaps of released builders, one test each."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from data_builders.frames import PADDED_SQUARE
from data_builders.programs.asking import Settings, view_of
from data_builders.programs.attribute_types import excludes
from data_builders.programs.blocks import records_of_block
from data_builders.programs.objects import near_numbers
from data_builders.programs.points import owner
from data_builders.programs.predicates import after_is, canonical
from data_builders.programs.reading import written
from data_builders.programs.referring import refer
from data_builders.programs.registry import PROGRAMS
from data_builders.programs.soundness import faults_of
from data_builders.programs.words import a, countable, phrasings, plural
from data_builders.scenes import Mask, Region
from tests.unit.data_builders.programs.scenes_by_hand import FAR, LAYERS, MIDDLE, NEAR, asked, scene, thing


def test_run_lengths_count_columns_first():
    ring = Mask(4, 3, counts=(4, 4, 4))
    one = scene(replace(thing("a", "ring", (33, 0, 67, 100)), mask=ring))
    view = view_of(one, Settings())
    assert owner(view, (0.5, 0.5)).id == "a"
    assert owner(view, (0.17, 0.5)) is None


def test_selectors_end_where_there_is_no_candidate():
    """A released builder draws images until one fits, for ever where none does."""
    same = [scene(thing("a", "dog", FAR), exhaustive=("dog",), name=f"s{number}") for number in range(5)]
    several = [program for program in PROGRAMS.values() if program.images[0] > 1]
    found = list(records_of_block(same, several, Settings()))
    assert {record.meta["builder"] for record in found} <= {"count_object"}
    assert list(records_of_block(same[:1], several, Settings())) == []


VISUAL_GENOME = scene(
    thing("a", "man", (0, 0, 20, 90), "tall"),
    thing("b", "shirt", (2, 20, 18, 50), "white", "blue"),
    thing("c", "dog", (50, 50, 80, 90), "brown"),
    thing("d", "grass", (0, 80, 100, 100), "green"),
    relations=[("a", "wearing", "b"), ("c", "standing on", "d"), ("a", "to the left of", "c")],
)


def test_open_annotation_gives_no_negative_and_no_number():
    """Nothing is exhaustive: no count, no absence, no wrong color, no name that may fit a second thing."""
    records = list(
        records_of_block([VISUAL_GENOME, replace(VISUAL_GENOME, id="t")], PROGRAMS.values(), Settings())
    )
    built = {record.meta["builder"] for record in records}
    assert built <= {
        "attribute_box", "typed_attribute_box", "relation_box", "scene_graph_relation", "scene_graph_attribute",
        "scene_graph_caption", "negative_relation", "negative_attribute", "marked_objects", "boxed_objects",
    }  # fmt: skip
    assert {"attribute_box", "relation_box", "scene_graph_attribute"} <= built
    for record in records:
        for turn in record.turns[::2]:
            assert "How many" not in turn.text
            assert not re.search(r"the (man|shirt|dog|grass)(?! (located )?(at|in) (\[|the))", turn.text), (
                turn.text
            )


def test_a_thing_of_two_colors_is_not_asked_for_its_color():
    texts = [q.question for q in asked("typed_attribute_box", VISUAL_GENOME)]
    assert texts
    assert not any("shirt" in text for text in texts)


def test_counts_are_of_exhaustive_classes_alone():
    """As in COCO: dogs are all annotated, trees only sometimes, and no attribute is."""
    coco = scene(
        thing("a", "dog", FAR, "brown"),
        thing("b", "dog", MIDDLE),
        thing("c", "tree", NEAR, "green"),
        exhaustive=("dog", "cat"),
    )
    assert {q.arguments["class"] for q in asked("exists_object", coco)} == {"dog", "cat"}
    assert {q.arguments["class"] for q in asked("negative_object", coco)} == {"dog", "cat"}
    assert asked("exists_attribute", coco) == []
    assert [q for q in asked("negative_attribute", coco) if q.answer.startswith("No")] == []
    assert asked("most_object", coco) == []


def test_what_is_not_annotated_does_not_tell_two_things_apart():
    """One dog is annotated as brown; the other may be brown, too."""
    brown, other = thing("a", "dog", FAR, "brown"), thing("b", "dog", MIDDLE)
    view = view_of(scene(brown, other, exhaustive=("dog",)), Settings())
    assert refer(view, view.by_id["a"]) is None
    black = replace(other, attributes=("black",))
    view = view_of(scene(brown, black, exhaustive=("dog",)), Settings())
    assert refer(view, view.by_id["a"]) is None
    view = view_of(scene(brown, black, exhaustive=("dog",), attributes=("color",)), Settings())
    assert refer(view, view.by_id["a"]) == "the brown dog"
    assert refer(view, view.by_id["a"], without="color") is None
    tan = replace(other, attributes=("tan",))
    view = view_of(scene(brown, tan, exhaustive=("dog",), attributes=("color",)), Settings())
    assert refer(view, view.by_id["a"]) is None  # what one calls brown the other calls tan
    sized = scene(
        replace(brown, attributes=("large",)), replace(other, attributes=("small",)), exhaustive=("dog",)
    )
    assert refer(view_of(sized, Settings()), sized.objects[0]) == "the large dog"


def test_a_name_alone_needs_a_class_without_a_second_instance():
    one = scene(thing("a", "dog", FAR), thing("b", "sky", NEAR), exhaustive=("dog",))
    view = view_of(one, Settings())
    assert [refer(view, item) for item in one.objects] == ["the dog", None]
    view = view_of(one, Settings(names="annotated"))
    assert [refer(view, item) for item in one.objects] == ["the dog", "the sky"]


@pytest.mark.parametrize(
    ("one", "two", "sure"),
    [
        ("large", "big", False),
        ("large", "tiny", True),
        ("large", "medium sized", False),
        ("red", "blue", True),
        ("red", "maroon", False),
        ("gray", "grey", False),
        ("dark blue", "light blue", False),
        ("dark blue", "green", True),
        ("red and white", "blue", False),
        ("wooden", "metal", True),
        ("red", "large", False),
        ("open", "closed", True),
        ("young", "old", True),
    ],
)
def test_only_what_excludes_is_wrong(one, two, sure):
    assert excludes(one, two) is excludes(two, one) is sure


def test_annotation_that_contradicts_itself_is_not_asked_about():
    torn = scene(
        thing("a", "dog", FAR),
        thing("b", "cat", NEAR),
        relations=[
            ("a", "left of", "b"),
            ("a", "to the right of", "b"),
            ("b", "above", "a"),
            ("a", "above", "b"),
        ],
        exhaustive=("dog", "cat"),
    )
    for name in (
        "exists_relation",
        "relation_box",
        "negative_relation",
        "head_relation",
        "scene_graph_caption",
    ):
        assert asked(name, torn) == []


def test_that_a_relation_is_not_annotated_does_not_deny_it():
    open_graph = scene(
        thing("a", "dog", FAR),
        thing("b", "cat", MIDDLE),
        thing("c", "bus", NEAR),
        relations=[("a", "left of", "c"), ("a", "near", "c")],
        exhaustive=("dog", "cat", "bus"),
    )
    assert asked("head_relation", open_graph) == []
    closed = replace(
        open_graph, relations=(*open_graph.relations, *scene(relations=[("b", "right of", "c")]).relations)
    )
    questions = asked("head_relation", closed)
    assert {(q.answer, q.arguments["predicate"]) for q in questions} == {
        ("the dog", "left of"),
        ("the cat", "right of"),
    }
    no = [q for q in asked("negative_relation", closed) if q.answer.startswith("No")]
    assert no
    assert all("cat" in q.question or "dog" in q.question for q in no)


def test_the_outermost_must_be_out_by_a_margin_and_by_any_reading():
    close = scene(
        thing("a", "dog", (10, 5, 30, 20)), thing("b", "cat", (11, 40, 60, 60)), thing("c", "bus", (8, 70, 90, 95)),
        exhaustive=("dog", "cat", "bus"),
    )  # fmt: skip
    assert asked("left_most_object", close) == []
    assert {q.answer for q in asked("top_most_object", close)} <= {"the dog", "the cat"}
    overlapping = scene(
        thing("a", "dog", (0, 0, 30, 30)), thing("b", "cat", (20, 0, 90, 30)), exhaustive=("dog", "cat")
    )
    assert asked("left_most_object", overlapping) == []


def test_two_things_in_one_box_are_not_meant_by_it():
    twins = scene(
        thing("a", "man", FAR, "tall"), thing("b", "person", FAR, "young"), thing("c", "dog", NEAR, "brown")
    )
    for name in ("attribute_box", "typed_attribute_box"):
        assert {q.evidence for q in asked(name, twins)} == {("c",)}


def test_false_premises_cannot_be_told_by_the_question():
    """The type that is asked for is one that things of the scene have."""
    one = scene(
        thing("a", "dog", FAR, "brown"), thing("b", "cat", NEAR, "black"),
        exhaustive=("dog", "cat", "bus", "cup", "owl"), attributes=("color",),
    )  # fmt: skip
    questions = asked("false_premise", one, seeds=40)
    assert all("color" in q.question for q in questions)
    absent = [q.answer.startswith("There is no") for q in questions]
    assert 0.35 < sum(absent) / len(absent) < 0.65


def test_words_of_the_annotation_never_stand_for_an_image():
    odd = scene(
        thing("a", "<image> sign", FAR, "red", text="<image>"), thing("b", "cup", NEAR, "blue", text="tea")
    )
    for name in PROGRAMS:
        if PROGRAMS[name].images[0] == 1:
            assert all("<image>" not in q.question + q.answer for q in asked(name, odd, names="annotated"))


def test_text_is_read_line_by_line():
    page = scene(
        thing("b", "word", (50, 10, 80, 20), text="world"),
        thing("a", "word", (10, 11, 40, 21), text="hello"),
        thing("c", "word", (10, 40, 40, 50), text="again"),
    )
    assert [item.text for item in written(view_of(page, Settings()))] == ["hello", "world", "again"]
    some = asked("ocr_reading", page)
    assert {q.answer for q in some} == {"hello\nworld\nagain"}
    assert not any(re.search(r"\b(all|every)\b", q.question) for q in some)
    assert asked("text_where", page) == []
    assert asked("text_where", replace(page, exhaustive_classes=frozenset({"word"})))


def test_words():
    assert [plural(w) for w in ("dog", "bus", "box", "fire truck", "policewoman", "sheep", "baby", "toy", "dish")] == [
        "dogs", "buses", "boxes", "fire trucks", "policewomen", "sheep", "babies", "toys", "dishes",
    ]  # fmt: skip
    assert [countable(w) for w in ("dog", "grass", "green grass", "scissors", "")] == [
        True,
        False,
        False,
        False,
        False,
    ]
    assert [a(w) for w in ("apple", "dog", "hour", "uniform", "umbrella")] == [
        "an apple", "a dog", "an hour", "a uniform", "an umbrella",
    ]  # fmt: skip
    assert phrasings("(is|was) it {x} (here|) ?") == (
        "Is it {x} here?",
        "Is it {x}?",
        "Was it {x} here?",
        "Was it {x}?",
    )
    assert near_numbers(0) == ("1", "2", "3")
    assert [after_is(canonical(p)) for p in ("is on", "wears", "has", "to the left of", "across from", "of")] == [
        "on", "wearing", None, "to the left of", "across from", None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (replace(LAYERS, image=None), "no image"),
        (replace(LAYERS, width=0), "size"),
        (scene(thing("a", "dog", (9, 0, 3, 5))), "no box"),
        (scene(thing("a", "dog", (0, 0, float("nan"), 5))), "no box"),
        (scene(thing("a", " ", FAR)), "no class name"),
        (scene(thing("a", "dog", FAR), thing("a", "cat", FAR)), "two objects"),
        (scene(thing("a", "dog", FAR), relations=[("a", "on", "b")]), "not there"),
    ],
)
def test_a_scene_that_is_wrong_is_not_asked_about(wrong, reason):
    assert reason in faults_of(wrong)[0]
    assert faults_of(LAYERS) == []


def test_a_picture_of_unknown_licence_makes_its_record_unknown():
    free = replace(LAYERS, id="free", licence="CC0-1.0")
    several = [PROGRAMS["count_object"]]
    (record, *_) = records_of_block([free, replace(LAYERS, objects=LAYERS.objects[:1])], several, Settings())
    assert sorted(record.meta["licence"].split(" AND ")) == ["CC0-1.0", "unknown"]
    assert {item.split("/")[0] for turn in record.meta["evidence"]["turns"] for item in turn} <= {"free", "s"}


def test_expressions_of_a_benchmark_are_kept_for_its_tests():
    """RefCOCO's val and test expressions are not asked, nor a phrase that two objects have."""
    regions = tuple(
        Region(name, phrase, box, (owner_id,))
        for name, phrase, box, owner_id in (
            ("r1", "dog on the left", FAR, "a"), ("r2", "the cat", MIDDLE, "b"), ("r3", "the bus", NEAR, "c"),
            ("r4", "Animal", FAR, "a"), ("r5", "animal", MIDDLE, "b"),
        )
    )  # fmt: skip
    splits = {"r1": "train", "r2": "val", "r3": "testA", "r4": "train", "r5": "train"}
    refs = replace(LAYERS, regions=regions, source={"splits": splits})
    assert {q.answer for q in asked("expression_box", refs)} == {"[0.05, 0.05, 0.30, 0.30]"}
    assert {q.answer for q in asked("region_phrase", refs)} == {"dog on the left", "Animal", "animal"}
    described = replace(LAYERS, regions=regions)
    assert asked("expression_box", described) == []
    assert len({q.answer for q in asked("region_phrase", described)}) == 5


def test_boxes_of_another_frame_are_brought_to_the_image():
    wide = replace(LAYERS, width=100, height=50, objects=(thing("a", "dog", (20, 10, 40, 30)),))
    padded = wide.in_frame(PADDED_SQUARE)
    assert padded.objects[0].box_xyxy == (20, 35, 40, 55)
    for one in (wide, padded):
        assert {q.answer for q in asked("grounding_box", one)} == {"[0.20, 0.20, 0.40, 0.60]"}


def test_text_without_a_place_is_read_as_it_stands():
    bare = replace(scene(), texts=("first line", "second line"))
    questions = asked("ocr_reading", bare)
    assert {(q.answer, q.evidence) for q in questions} == {("first line\nsecond line", ("text 0", "text 1"))}
    assert asked("text_in_box", bare) == []
