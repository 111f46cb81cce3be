"""Keys that are secrets, and words that are set where a server wants any key."""

import pytest

from data_builders.teachers.keys import HIDDEN, Key


@pytest.mark.parametrize("word", ["x", "EMPTY", "none", "sk-no-key-required"])
def test_a_placeholder_is_sent_and_not_looked_for(monkeypatch, word):
    monkeypatch.setenv("WORD_KEY", word)
    key = Key("WORD_KEY")
    text = f"The box is {word}."
    assert key.headers() == {"Authorization": f"Bearer {word}"}
    assert not key.is_in(text) and key.hide(text) == text


def test_a_key_is_found_and_blotted_out(monkeypatch):
    monkeypatch.setenv("WORD_KEY", "sk-12345")
    key = Key("WORD_KEY")
    assert key.is_in("it is sk-12345.") and key.hide("it is sk-12345.") == f"it is {HIDDEN}."
    monkeypatch.delenv("WORD_KEY")
    assert not Key("WORD_KEY").is_in("") and Key("WORD_KEY").hide("ab") == "ab"
