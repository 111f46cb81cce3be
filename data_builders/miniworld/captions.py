"""Captions of a scene, from a few words to every object with its place."""

from __future__ import annotations

from itertools import pairwise

from data_builders.draws import Draws
from data_builders.miniworld.describing import cell_of, describe, enumerate_objects, reading_order, refer
from data_builders.miniworld.vocabulary import a, number_word
from data_builders.scenes import Scene, SceneObject

_OPENINGS = ("A picture of {}.", "An image with {}.", "There is {} here.", "We can see {}.", "This shows {}.")
_PHRASES = {
    "left of": "to the left of",
    "right of": "to the right of",
    "above": "above",
    "below": "below",
}


def short_caption(scene: Scene) -> str:
    """Every object with its colour, in reading order: "a red circle, two blue stars and a green digit 7"."""
    return enumerate_objects(reading_order(scene))


def long_description(scene: Scene) -> str:
    """Every object with size, colour and place, then how neighbours in reading order stand to each other."""
    ordered = reading_order(scene)
    sentences = [f"There are {number_word(len(ordered))} objects in the picture."]
    for item in ordered:
        sentences.append(f"{_capital(a(describe(item)))} is in the {cell_of(scene, item)}.")
    relations = [_relation(scene, one, two) for one, two in pairwise(ordered)]
    sentences += [_capital(sentence) for sentence in relations if sentence][:2]
    return " ".join(sentences)


def coco_captions(scene: Scene, draws: Draws, count: int = 5) -> tuple[str, ...]:
    """Captions as different people would write them: other orders, other details, sometimes a relation."""
    written: list[str] = []
    while len(written) < count:
        items = list(scene.objects)
        draws.shuffle(items)
        style = draws.below(4)
        if style == 0:
            text = draws.choice(_OPENINGS).format(enumerate_objects(items))
        elif style == 1:
            text = _capital(enumerate_objects(items, size=True)) + "."
        elif style == 2:
            text = f"{_capital(number_word(len(items)))} objects: {enumerate_objects(items)}."
        else:
            text = _relation_caption(scene, items)
        written.append(text)
    return tuple(written)


def text_scene(scene: Scene) -> str:
    """The layout of a scene in words alone, for a language model that never sees the picture.

    One clause an object in reading order, as "top left: small red star; center: blue word "cat"".
    """
    return "; ".join(f"{cell_of(scene, item)}: {describe(item)}" for item in reading_order(scene))


def _relation_caption(scene: Scene, items: list[SceneObject]) -> str:
    by_pair = {(r.subject, r.object): r.predicate for r in scene.relations}
    for one in items:
        for two in items:
            predicate = by_pair.get((one.id, two.id))
            if predicate:
                pair = f"{a(describe(one, size=False))} {_PHRASES[predicate]} {a(describe(two, size=False))}"
                others = [item for item in items if item not in (one, two)]
                return _capital(f"{pair}, with {enumerate_objects(others)}." if others else f"{pair}.")
    return _capital(enumerate_objects(items)) + "."


def _relation(scene: Scene, one: SceneObject, two: SceneObject) -> str | None:
    names = refer(scene, one), refer(scene, two)
    if None in names:
        return None
    for relation in scene.relations:
        if (relation.subject, relation.object) == (one.id, two.id):
            return f"{names[0]} is {_PHRASES[relation.predicate]} {names[1]}."
    return None


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
