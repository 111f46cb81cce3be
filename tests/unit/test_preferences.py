"""Preferences: what is refused and why, and JSON in and out without loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.errors import RecordError, UserError
from mmtune.records import (
    ImageRef,
    Preference,
    Turn,
    iter_preferences,
    parse_preference,
    preference_to_json,
    write_preferences,
)

ROW: dict[str, Any] = {
    "id": "p",
    "images": ["a.png", {"path": "clip.mp4", "video": True}, {"path": "clip.mp4", "frame": 3}],
    "prompt": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "<image> <image>\nAnd <image>?"},
    ],
    "chosen": "A cat.",
    "rejected": "A dog.",
    "chosen_facts": [{"text": "There is a cat."}],
    "rejected_edits": [{"kind": "object", "true": "cat", "false": "dog"}],
    "margin": 1.5,
    "licence": "CC-BY-4.0",
    "source": "mine",
}


def test_a_row_becomes_a_preference_and_the_row_again() -> None:
    pair = parse_preference(ROW, 0)
    assert pair.images == (
        ImageRef("a.png"),
        ImageRef("clip.mp4", video=True),
        ImageRef("clip.mp4", frame=3),
    )
    assert (pair.margin, pair.meta) == (1.5, {"licence": "CC-BY-4.0", "source": "mine"})
    assert preference_to_json(pair) == ROW


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"chosen": None}, "no text under 'chosen'"),
        ({"chosen": " "}, "an answer is empty"),
        ({"rejected": " A  cat.\n"}, "are the same"),
        ({"rejected": "<image>"}, "text of the assistant holds <image>"),
        ({"images": ["a.png"]}, "the text has 3 <image>, the record has 1"),
        ({"images": "a.png"}, "'images' is not a list"),
        ({"images": [{"path": "a", "frame": -1}]}, "neither a path nor an object"),
        ({"images": [{"path": "a", "frame": True}]}, "neither a path nor an object"),
        ({"prompt": []}, "does not end with a turn of the user"),
        ({"prompt": [{"role": "assistant", "content": "x"}]}, "does not end with a turn of the user"),
        ({"prompt": [{"role": "bot", "content": "x"}]}, "is from 'bot'"),
        ({"prompt": [{"role": "user"}]}, "no text under 'content'"),
        ({"margin": float("nan")}, "the margin is nan"),
        ({"margin": "1"}, "the margin is '1'"),
        ({"chosen_facts": ["a"]}, "not a list of objects"),
    ],
)
def test_bad_rows_are_refused_with_id_and_row(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(RecordError, match=said) as caught:
        parse_preference({**ROW, **changed}, 7)
    assert (caught.value.record_id, caught.value.row) == ("p", 7)


def test_a_file_tells_its_bad_rows_and_gives_the_others(tmp_path: Path) -> None:
    pair = parse_preference(ROW, 0)
    assert write_preferences(tmp_path / "pairs.jsonl", [pair, pair]) == 2
    with (tmp_path / "pairs.jsonl").open("a") as file:
        file.write('[]\n{"id": 5}\n')
    rows = dict(iter_preferences(tmp_path / "pairs.jsonl"))
    assert rows[0] == rows[1] == pair
    assert [str(rows[row]).partition(" (")[0] for row in (2, 3)] == [
        "the row is a list, not an object",
        "there is no text under 'chosen'",
    ]
    with pytest.raises(UserError, match=r"\.json or \.jsonl"):
        write_preferences(tmp_path / "pairs.txt", [pair])
    with pytest.raises(ValueError, match="uses the keys"):
        preference_to_json(Preference("p", pair.prompt, "a", "b", pair.images, {"margin": 1}))


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: bool(text.strip()) and "<image>" not in text
)
_JSON = st.dictionaries(
    _TEXT.map(lambda key: f"x-{key}"), st.none() | st.booleans() | st.integers() | _TEXT, max_size=2
)
_IMAGE = st.builds(ImageRef, _TEXT) | st.builds(ImageRef, _TEXT, video=st.just(True))
_IMAGE |= st.builds(ImageRef, _TEXT, frame=st.integers(0, 99))


@st.composite
def pairs(
    draw: st.DrawFn, images: st.SearchStrategy[ImageRef] = _IMAGE, turns: int = 2, most: int = 3
) -> Preference:
    """Sound preferences of all shapes."""
    refs = draw(st.lists(images, max_size=most))
    prompt = [Turn("system", draw(_TEXT))] if turns > 1 and draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, turns - 1))):
        prompt += [Turn("user", draw(_TEXT)), Turn("assistant", draw(_TEXT))]
    prompt.append(Turn("user", draw(_TEXT)))
    first = next(place for place, turn in enumerate(prompt) if turn.role == "user")
    prompt[first] = Turn("user", "<image>\n" * len(refs) + prompt[first].text)
    chosen = draw(_TEXT)
    rejected = draw(_TEXT.filter(lambda text: text.split() != chosen.split()))
    return Preference(
        draw(_TEXT),
        tuple(prompt),
        chosen,
        rejected,
        tuple(refs),
        draw(_JSON),
        tuple(draw(st.lists(_TEXT.map(lambda text: {"text": text}), max_size=2))),
        tuple(draw(st.lists(_TEXT.map(lambda text: {"kind": "object", "false": text}), max_size=2))),
        draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
    )


@given(pairs())
@settings(deadline=None, derandomize=True, max_examples=60)
def test_nothing_is_lost_on_the_way_through_json(pair: Preference) -> None:
    import json

    assert parse_preference(json.loads(json.dumps(preference_to_json(pair))), 0) == pair
