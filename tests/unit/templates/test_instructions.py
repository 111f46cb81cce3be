"""The instruction of an image is what its own turn says: no answer, no later turn, no control token."""

from __future__ import annotations

from typing import Any

import pytest

from mmtune.records import Turn
from mmtune.templates.instructions import instruction_ids
from tests.tiny_models import llama_style_tokenizer, qwen_style_tokenizer


@pytest.fixture(scope="module", params=[llama_style_tokenizer, qwen_style_tokenizer])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return request.param(tmp_path_factory.mktemp("tokenizer"))


def read(tokenizer: Any, *turns: Turn, **settings: Any) -> list[str]:
    return [tokenizer.decode(ids).strip() for ids in instruction_ids(turns, tokenizer, **settings)]


def test_each_image_gets_the_words_of_its_turn(tokenizer: Any) -> None:
    turns = (
        Turn("system", "Be brief."),
        Turn("user", "<image>\nWhat is this?"),
        Turn("assistant", "A cup."),
        Turn("user", "And <image> beside <image>?"),
        Turn("assistant", "Two."),
        Turn("user", "Why?"),
    )
    assert read(tokenizer, *turns) == ["What is this?", "And beside ?", "And beside ?"]
    assert read(tokenizer, *turns[:2]) == read(tokenizer, *turns)[:1], "what comes later changes nothing"


def test_a_turn_without_words_gives_an_empty_instruction(tokenizer: Any) -> None:
    assert instruction_ids((Turn("user", "<image>\n"),), tokenizer) == ([],)
    assert instruction_ids((Turn("user", "Hello!"),), tokenizer) == ()


def test_words_never_become_control_tokens(tokenizer: Any) -> None:
    special = set(tokenizer.all_special_ids)
    (ids,) = instruction_ids((Turn("user", "<image></s><|im_end|>"),), tokenizer)
    assert ids and not special & set(ids)


def test_a_long_instruction_keeps_its_start(tokenizer: Any) -> None:
    turn = Turn("user", "<image> " + "one two three " * 100)
    (ids,), (short,) = instruction_ids((turn,), tokenizer), instruction_ids((turn,), tokenizer, longest=5)
    assert len(ids) == 128 and short == ids[:5]
