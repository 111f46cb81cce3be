"""Looking templates up, and what they render."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmtune.errors import UserError
from mmtune.records import Turn
from mmtune.templates import TEMPLATES, ImageSegment, choose_template, encode, get_template, rendered_text
from tests.tiny_models import qwen_style_tokenizer

QUESTION = Turn("user", "<image>\nWhat?")
ANSWER = Turn("assistant", "A cat.")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain", "<image>A cat.\n"),
        ("vicuna_v1", "S USER: <image>\nWhat? ASSISTANT: A cat.</s>"),
        (
            "chatml",
            "<|im_start|>system\nS<|im_end|><|im_start|>user\n<image>\nWhat?<|im_end|>"
            "<|im_start|>assistant\nA cat.<|im_end|>",
        ),
        (
            "qwen",
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n<image>\nWhat?<|im_end|>\n"
            "<|im_start|>assistant\nA cat.<|im_end|>\n",
        ),
    ],
)
def test_a_system_turn_replaces_the_templates_own(name: str, text: str) -> None:
    assert rendered_text(get_template(name).render((Turn("system", "S"), QUESTION, ANSWER))) == text


def test_an_empty_system_turn_leaves_the_block_out() -> None:
    turns = (Turn("system", ""), QUESTION, ANSWER)
    assert rendered_text(get_template("v1").render(turns)).startswith("USER: ")
    assert rendered_text(get_template("qwen").render(turns)).startswith("<|im_start|>user")


@pytest.mark.parametrize("name", TEMPLATES)
def test_images_are_numbered_through_the_record(name: str) -> None:
    turns = (Turn("user", "<image> and <image>?"), ANSWER, Turn("user", "and <image>?"), ANSWER)
    images = [s.index for s in get_template(name).render(turns) if isinstance(s, ImageSegment)]
    assert images == [0, 1, 2]


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'vicuna_v1'"):
        get_template("vicuna-v1")
    with pytest.raises(UserError, match=r"There are chatml, .*plain, .*tokenizer"):
        get_template("zzz")


def test_every_entry_of_the_registry_says_its_name() -> None:
    assert {name: template.name for name, template in TEMPLATES.items()} == {name: name for name in TEMPLATES}


def test_the_tokenizers_own_template_needs_a_tokenizer(tokenizer: Callable[[str], Any]) -> None:
    with pytest.raises(UserError, match="none is loaded"):
        get_template("tokenizer")
    with pytest.raises(UserError, match="no chat template of its own"):
        get_template("tokenizer", tokenizer("llama"))


def test_vicuna_ends_with_a_token_that_the_tokenizer_has(tokenizer: Callable[[str], Any]) -> None:
    assert get_template("v1", tokenizer("llama")) is TEMPLATES["vicuna_v1"]
    qwen = tokenizer("qwen")
    fitted = get_template("v1", qwen)
    assert fitted.stop == (qwen.eos_token,)
    encoded = encode(fitted.render((QUESTION, ANSWER)), qwen)
    assert (encoded.ids[-1], encoded.supervised[-1]) == (qwen.eos_token_id, True)


def test_a_template_that_does_not_fit_warns(
    tokenizer: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    llama = tokenizer("llama")
    choose_template("chatml", llama)
    assert "<|im_start|>, <|im_end|> are no tokens" in caplog.text
    assert "template chatml " in caplog.text and llama.name_or_path in caplog.text
    caplog.clear()
    choose_template("chatml", tokenizer("llama_chatml"))
    assert not caplog.text


def test_a_template_that_ends_answers_in_another_way_than_the_model_warns(
    tokenizer: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    llama_3 = tokenizer("llama3_standin")
    choose_template("llama_3", llama_3)
    choose_template("plain", llama_3)
    choose_template("tokenizer", llama_3)
    assert not caplog.text
    choose_template("gemma_instruct", llama_3)
    assert "ends answers with <end_of_turn>" in caplog.text
    assert f"comes with {llama_3.name_or_path} with <|eot_id|>" in caplog.text


@pytest.mark.parametrize("name", ["vicuna_v1", "llava_llama_2"])
def test_a_template_without_the_marks_of_the_models_own_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Both end answers alike; ``vicuna_v1`` is what a recipe has that names no template."""
    qwen = qwen_style_tokenizer(tmp_path)
    for fitting in ("qwen", "plain", "tokenizer", "qwen_2_5"):
        choose_template(fitting, qwen)
    get_template(name, qwen)
    assert not caplog.text
    choose_template(name, qwen)
    assert f"template {name} writes no <|im_start|>" in caplog.text
    assert f"comes with {qwen.name_or_path or type(qwen).__name__} marks turns with" in caplog.text


def test_llamas_first_and_end_token_become_the_tokenizers_own(tokenizer: Callable[[str], Any]) -> None:
    turns = (QUESTION, ANSWER, Turn("user", "And?"), ANSWER)
    text = rendered_text(get_template("llava_llama_2", tokenizer("qwen")).render(turns))
    assert "<s>" not in text and "</s>" not in text
    assert text.count(tokenizer("qwen").eos_token) == 2
    assert (
        rendered_text(get_template("llava_llama_2", tokenizer("llama")).render(turns)).count("</s><s>") == 1
    )


def test_a_system_text_stands_inside_the_first_question() -> None:
    turns = (Turn("system", "S"), QUESTION, ANSWER, Turn("user", "And?"), ANSWER)
    assert rendered_text(get_template("mistral_instruct").render(turns)) == (
        "[INST] <<SYS>>\nS\n<</SYS>>\n\n<image>\nWhat? [/INST] A cat. </s>[INST] And? [/INST] A cat. </s>"
    )
    assert rendered_text(get_template("mistral_instruct").render(turns[1:3])) == (
        "[INST] <image>\nWhat? [/INST] A cat. </s>"
    )
    assert rendered_text(get_template("gemma_instruct").render(turns[:3])) == (
        "<start_of_turn>user\nS\n\n<image>\nWhat?<end_of_turn>\n<start_of_turn>model\nA cat.<end_of_turn>\n"
    )
