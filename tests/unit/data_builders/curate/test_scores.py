"""Scores of records whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from data_builders.curate.scores import SCORES, get_score, plain
from data_builders.curate.scores.rating import PROMPTS, parse, prompt_of
from mmtune.errors import UserError
from mmtune.records import ImageRef, Record, Turn


def record(answer, question="What is in the picture?", image=None, **meta):
    images = (ImageRef(image),) if image else ()
    lead = "<image>\n" if image else ""
    return Record("r", (Turn("user", lead + question), Turn("assistant", answer)), images, meta)


def test_every_score_is_a_number_of_any_record():
    for name, score in SCORES.items():
        if score.place:
            assert isinstance(get_score(name)(record("A cat.")), float)
        else:
            with pytest.raises(UserError, match=f"{name} needs --"):
                get_score(name)
    with pytest.raises(UserError, match="did you mean 'length'"):
        get_score("lenght")


def test_length_and_repetition():
    assert get_score("length")(record("A cat on a mat.")) == 5
    assert get_score("repetition")(record("one two three four five six")) == 0
    assert get_score("repetition")(record("so it goes on " * 10)) > 0.8
    assert get_score("repetition")(record("yes")) == 0


@pytest.mark.parametrize(
    ("answer", "refuses"),
    [
        ("I'm sorry, but I cannot do that.", 1),
        ("As an AI  language model, I see nothing.", 1),
        ("I\u2019m unable to say.", 1),
        ("According to the caption, a dog.", 1),
        ("The sign says sorry.", 0),
        ("A basic aid kit.", 0),
    ],
)
def test_refusals(answer, refuses):
    assert get_score("refusal")(record(answer)) == refuses


def test_an_answer_in_another_language():
    assert get_score("foreign")(record("Auf dem Sofa ist eine Katze und ein Hund.")) == 1
    assert get_score("foreign")(record("There is a cat on the sofa.")) == 0
    assert get_score("foreign")(record("42")) == 0


def test_ratings_are_stored_or_read_strictly():
    assert get_score("rating")(record("x", rating=7)) == 7
    assert math.isnan(get_score("rating")(record("x", rating="7")))
    assert math.isnan(get_score("rating")(record("x", rating=True)))
    assert parse("No fault.\nRating: 8") == 8
    assert parse("**Rating: 10/10**") == 10
    for reply in (
        "",
        "8",
        "Rating: 11",
        "Rating: 0",
        "Rating: 3\nRating: 5",
        "I give a rating: 8 of 10 maybe",
    ):
        assert math.isnan(parse(reply)), reply
    for name in PROMPTS:
        asked = prompt_of(record("A cat.", image="a.png"), name)
        assert "assistant: A cat." in asked and "<image>" not in asked and "{" not in asked


def test_plain_vectors_tell_words_and_colours_apart(tmp_path):
    for colour in ("red", "blue"):
        picture = Image.new("RGB", (40, 40), "white")
        picture.paste(colour, (0, 0, 20, 40))
        picture.save(tmp_path / f"{colour}.png")
    red, again, blue = (
        plain.features(record("A cat.", image=f"{n}.png"), tmp_path) for n in ("red", "red", "blue")
    )
    other = plain.features(record("Nine trees in a row.", image="red.png"), tmp_path)
    assert np.allclose(red, again)
    assert red @ blue < red @ again - 0.1
    assert red @ other < red @ again - 0.2
    assert plain.features(record("x"), None).shape == red.shape
