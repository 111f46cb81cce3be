"""Claims held against a scene: what contradicts it is refused, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data_builders.prompted.claims import check_answer
from data_builders.scenes import Relation, Scene, SceneObject


def thing(name: str, kind: str, *attributes: str, text: str | None = None) -> SceneObject:
    return SceneObject(name, kind, (0, 0, 10, 10), attributes, text=text)


SCENE = Scene(
    "s",
    None,
    100,
    100,
    (
        thing("o0", "star", "red", "small"),
        thing("o1", "circle", "blue", "large"),
        thing("o2", "circle", "red", "small"),
        thing("o3", "word", "green", text="STOP here"),
        thing("o4", "dog"),
    ),
    (Relation("o0", "left of", "o1"), Relation("o1", "right of", "o0")),
    exhaustive_classes=frozenset({"star", "circle", "word", "ring", "orange"}),
    exhaustive_attributes=frozenset({"color", "size"}),
)

UNTRUE = [
    ("What is there?", "There is a ring next to the star."),
    ("What is there?", "There are three circles."),
    ("What is there?", "I can see 2 blue circles."),
    ("What is there?", "A green star stands there."),
    ("Is there a ring?", "Yes."),
    ("Is there a star?", "No."),
    ("Is there a star?", "No, there is no star in the picture."),
    ("Is there a green circle in the image?", "Yes, there is."),
    ("What is missing?", "There are no circles."),
    ("How many circles are there?", "Three."),
    ("How many red circles are there?", "There are 2."),
    ("Where is the star?", "The star is to the right of the blue circle."),
    ("Where is it?", "The blue circle is left of the star."),
    ("What does it look like?", "The star is green."),
    ("What does it look like?", "The small circle is red and large."),
    ("What does it say?", 'It says "GO".'),
    ("What is there?", "According to the caption, a star."),
    ("Where?", "The star is at [0.1, 0.2, 0.3, 0.4]."),
    ("What does the bounding box show?", "A star."),
    ("Is there a ring near the wall?", "Yes, there is."),
    ("How many circles are near the wall?", "Three."),
    ("How many circles can you see in the image?", "One."),
    ("What is there?", "A ring glows beside the star."),
    ("What is there?", "There are three red circles."),
]

NOT_UNTRUE = [
    ("What is there?", "There are two circles, a red star and a dog."),
    ("What is there?", "Two small red things: a star and a red circle."),
    ("What does it look like?", "The star is red and left of the blue circle."),
    ("What does it look like?", "The circle is blue, and the dog is green."),
    ("Is there a ring?", "No."),
    ("Is there a ring?", "No, there is no ring."),
    ("Is there a star?", "Yes, a red star."),
    ("Is the star green?", "No, the star is red."),
    ("Is the star blue?", "The star is not blue."),
    ("Is it a ring?", "It is not a ring, but a circle."),
    ("Which are green?", "No star is green."),
    ("How many circles are there?", "Two."),
    ("How many stars are left of the two circles?", "One."),
    ("How many dogs are there?", "Three."),  # dogs are not annotated exhaustively
    ("What is there?", "There are three dogs and a brown cat."),
    ("Where is the star?", "The star is to the left of the blue circle."),
    ("Where is the star?", "The star is above the blue circle."),  # not annotated: not known to be wrong
    ("Where is the star?", "The star is to the right of the circle."),  # of which one is not said
    ("What does the word say?", 'It says "stop".'),
    ("Write a caption for this picture.", "A star among circles"),
    ("What is the mood?", "It feels calm and orderly."),
    ("What is there?", "Besides the blue circle, there is one other circle."),
    # Of some of them, or of what else is asked together with them.
    ("Is there a star on the table?", "No, it is on the floor."),
    ("Is there a lamp near the star?", "No."),
    ("How many circles are on the table?", "One."),
    ("How many points does the star have?", "Five."),
    # A part of another word's name, a likeness, a thought.
    ("What is there?", "A ring road leads to a star shop."),
    ("What does it look like?", "It looks like a ring."),
    ("What for?", "Somebody could put a ring there."),
    ("What does it look like?", "The dog wears an orange coat."),
]


@pytest.mark.parametrize(("question", "answer"), UNTRUE)
def test_what_contradicts_the_scene_is_found(question: str, answer: str):
    assert check_answer(question, answer, SCENE).reasons


@pytest.mark.parametrize(("question", "answer"), NOT_UNTRUE)
def test_what_does_not_is_left_alone(question: str, answer: str):
    assert check_answer(question, answer, SCENE).reasons == ()


def test_the_objects_that_an_answer_speaks_of_are_its_evidence():
    assert check_answer("Where is the star?", "Left of the blue circle.", SCENE).evidence == ("o1", "o0")
    assert check_answer("How is the mood?", "Calm.", SCENE).evidence == ()


def test_attributes_that_are_not_known_in_full_are_not_judged():
    partly = replace(SCENE, exhaustive_attributes=frozenset())
    assert check_answer("What is there?", "A green star.", SCENE).reasons == ("there is no green star",)
    assert check_answer("What is there?", "A green star.", partly).reasons == ()
    assert check_answer("What is there?", "A green ring.", partly).reasons == ("there is no ring",)


def test_of_types_that_are_not_known_in_full_nothing_is_refused():
    """That nobody has called a star small does not make it large, where only colors are known in full."""
    colors = replace(SCENE, exhaustive_attributes=frozenset({"color"}))
    stars = (thing("a", "star", "red"), thing("b", "star", "blue", "small"))
    assert check_answer("?", "A small red star.", replace(colors, objects=stars)).reasons == ()
    assert check_answer("?", "There are two small stars.", replace(colors, objects=stars)).reasons == ()
    (reason,) = check_answer("?", "There are three small stars.", replace(colors, objects=stars)).reasons
    assert reason == "there are 1 of small star, not 3"


def test_some_are_fewer_than_all():
    several = replace(SCENE, objects=(*SCENE.objects, thing("o5", "circle", "green")))
    assert check_answer("?", "Two circles touch each other.", several).reasons == ()
    assert check_answer("?", "There are two circles on the left.", several).reasons == ()
    assert check_answer("?", "There are only two circles in the image.", several).reasons
    assert check_answer("?", "Four circles touch each other.", several).reasons


def test_text_that_was_not_annotated_refutes_only_where_all_text_is():
    """Refused either way; but an answer that no OCR has seen the words of is not shown to be untrue."""
    known = check_answer("What does it say?", 'It says "GO".', SCENE)
    assert known.proven == known.reasons == ("nothing reads 'go'",)
    partly = replace(SCENE, exhaustive_classes=frozenset({"star"}))
    unknown = check_answer("What does it say?", 'It says "GO".', partly)
    assert (unknown.reasons, unknown.proven) == (("nothing reads 'go'",), ())
    lines = Scene("t", None, 9, 9, texts=("STOP here",))
    assert check_answer("?", 'It says "GO".', lines).reasons == ("nothing reads 'go'",)
    assert check_answer("?", 'It says "stop".', lines).reasons == ()
    leak = check_answer("?", "According to the caption, a star.", SCENE)
    assert leak.reasons and leak.proven == ()


def test_classes_that_are_not_known_in_full_are_not_judged():
    partly = replace(SCENE, exhaustive_classes=frozenset())
    assert (
        check_answer("How many circles are there?", "There are seven circles and a ring.", partly).reasons
        == ()
    )
