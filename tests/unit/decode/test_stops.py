"""When an answer is over, and what its text is, all at once or piece by piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.decode.engine import Engine, Request, Settings
from mmtune.decode.stops import StopRule, TextStream
from mmtune.errors import UserError
from tests import tiny_models


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny_models.llama_style_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def stopped(rule: StopRule, ids: list[int]) -> list[int]:
    """The ids up to the one that the rule stops at."""
    for end in range(1, len(ids) + 1):
        if rule.ended(ids[:end]):
            return ids[:end]
    return ids


def plain(tokenizer: Any, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False).input_ids


def test_one_token_stops_by_its_id(tokenizer: Any) -> None:
    rule = StopRule(tokenizer, ("</s>",))
    assert rule.ids == {tokenizer.eos_token_id}
    assert rule.texts == ()
    ids = stopped(rule, [*plain(tokenizer, " A cup."), tokenizer.eos_token_id, 5, 6])
    assert rule.text(ids).strip() == "A cup."


@pytest.mark.parametrize("stop", ["\n", "###", "<end>", "☃", "left of"])
def test_a_stop_string_is_found_inside_and_across_tokens(tokenizer: Any, stop: str) -> None:
    rule = StopRule(tokenizer, (stop,))
    ids = stopped(rule, plain(tokenizer, f"A red cup {stop} and more {stop}"))
    assert rule.text(ids).strip() == "A red cup"
    assert stop in tokenizer.decode(ids)
    assert stop not in tokenizer.decode(ids[:-1]), "it stops at once"


def test_text_without_a_stop_string_goes_on(tokenizer: Any) -> None:
    rule = StopRule(tokenizer, ("###",))
    ids = plain(tokenizer, "a # b ## c")
    assert stopped(rule, ids) == ids


def test_nothing_that_could_end_an_answer_is_an_error(tmp_path: Path) -> None:
    tokenizer = tiny_models.byte_level_tokenizer(tmp_path, ("<unk>",), unk_token="<unk>")
    with pytest.raises(UserError, match="ends an answer"):
        StopRule(tokenizer, ())
    assert StopRule(tokenizer, ("\n",)).texts == ("\n",)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    text=st.text(st.sampled_from(" \n#abc☃é日👩🏽‍🚀</s>"), max_size=30),
    stops=st.lists(st.sampled_from(["\n", "###", "#a", "☃", "b c", "</x>"]), max_size=2),
)
def test_pieces_joined_are_the_text(tokenizer: Any, text: str, stops: list[str]) -> None:
    rule = StopRule(tokenizer, stops)
    ids = stopped(rule, [*plain(tokenizer, text), tokenizer.eos_token_id])
    stream = TextStream(rule)
    pieces = [*(stream.push(token) for token in ids), stream.finish()]
    assert "".join(pieces) == rule.text(ids).strip()
    assert all("�" not in piece for piece in pieces)
    for piece in pieces:
        piece.encode()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(ids=st.lists(st.integers(0, 487), max_size=25))
def test_any_ids_stream_to_their_text(tokenizer: Any, ids: list[int]) -> None:
    """Broken UTF-8, special tokens and all: what a model may write, however badly trained."""
    rule = StopRule(tokenizer, ("###",))
    ids = stopped(rule, ids)
    stream = TextStream(rule)
    joined = "".join([*(stream.push(token) for token in ids), stream.finish()])
    assert joined == rule.text(ids).strip()


def test_the_engine_streams_what_it_generates(engine: Engine, questions: list[Request]) -> None:
    settings_ = Settings(max_new_tokens=16)
    answers = engine.generate(questions, settings_)
    for question, answer in zip(questions, answers, strict=True):
        pieces = list(engine.stream(question, settings_))
        assert "".join(pieces) == answer.text
    assert any(len(list(engine.stream(question, settings_))) > 3 for question in questions)
