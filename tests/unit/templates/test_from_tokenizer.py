"""The tokenizer's own chat template: exact masks from Jinja templates of several manners."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from mmtune.errors import RecordError, UserError
from mmtune.records import Turn
from mmtune.templates import TextSegment, encode, get_template, rendered_text

QWEN_2 = (
    "{% for m in messages %}{% if loop.first and m.role != 'system' %}<|im_start|>system\nBe good.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
)
INST = (
    "{{ '<|endoftext|>' }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('No system role') }}"
    "{% elif m.role == 'user' %}[INST] {{ m.content | trim }} [/INST]{% else %} {{ m.content.rstrip() }} <|im_end|>{% endif %}"
    "{% endfor %}"
)
TURNS = (
    Turn("user", "<image>\nOne? "),
    Turn("assistant", " Two. "),
    Turn("user", "Three?"),
    Turn("assistant", "Four."),
)


@pytest.fixture
def with_template(tokenizer: Callable[[str], Any]) -> Callable[[str], Any]:
    """The small Qwen tokenizer with another chat template."""

    def build(jinja: str) -> Any:
        tk = copy.deepcopy(tokenizer("qwen"))
        tk.chat_template = jinja
        return tk

    return build


def learned(segments: list[Any]) -> str:
    return "|".join(s.text for s in segments if isinstance(s, TextSegment) and s.supervised)


def test_chatml_with_a_default_system_text(with_template: Callable[[str], Any]) -> None:
    tk = with_template(QWEN_2)
    own = get_template("tokenizer", tk)
    segments = own.render(TURNS)
    assert own.stop == ("<|im_end|>",)
    assert learned(segments) == " Two. |<|im_end|>|Four.|<|im_end|>"
    messages = [{"role": turn.role, "content": turn.text} for turn in TURNS]
    assert rendered_text(segments) == tk.apply_chat_template(messages, tokenize=False)
    prompt = tk.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    assert rendered_text(own.render(TURNS[:-1], generate=True)) == prompt
    with_system = rendered_text(own.render((Turn("system", "S"), *TURNS)))
    assert "Be good." not in with_system and "system\nS<|im_end|>" in with_system


def test_the_generation_prompt_is_what_training_saw(with_template: Callable[[str], Any]) -> None:
    own = get_template("tokenizer", with_template(THINKING))
    prompt = rendered_text(own.render(TURNS, generate=True))
    assert prompt.endswith("assistant\n<think>\n\n</think>\n\n")
    assert rendered_text(own.render(TURNS)).startswith(prompt)
    assert learned(own.render(TURNS)) == " Two. |<|im_end|>|Four.|<|im_end|>"


def test_stripping_templates_strip_here_too(with_template: Callable[[str], Any]) -> None:
    tk = with_template(INST)
    own = get_template("tokenizer", tk)
    segments = own.render(TURNS)
    messages = [{"role": turn.role, "content": turn.text} for turn in TURNS]
    assert rendered_text(segments) == tk.apply_chat_template(messages, tokenize=False)
    assert learned(segments) == " Two.| <|im_end|>|Four.| <|im_end|>"  # rstrip leaves the space before
    assert own.stop == ("<|im_end|>",)


def test_marks_in_a_text_are_text(with_template: Callable[[str], Any]) -> None:
    tk = with_template(QWEN_2)
    own = get_template("tokenizer", tk)
    text = "MMTUNE0001SLOT {{ 1 + 1 }} <|im_start|>"
    segments = own.render((Turn("user", text), Turn("assistant", text)))
    assert rendered_text(segments).count(text) == 2
    control = tk.convert_tokens_to_ids("<|im_start|>")
    assert encode(segments, tk).ids.count(control) == 3


def test_turns_that_the_template_refuses(with_template: Callable[[str], Any]) -> None:
    own = get_template("tokenizer", with_template(INST))
    with pytest.raises(RecordError, match="No system role"):
        own.render((Turn("system", "S"), *TURNS))


@pytest.mark.parametrize(
    ("jinja", "reason"),
    [
        ("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", "special token"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", "special token"),
        ("{{ messages[-1].content }}<|im_end|>", "leaves out"),
        ("{% for m in messages %}{{ m.content }}{{ m.content }}<|im_end|>{% endfor %}", "repeats"),
        ("{% for m in messages %}{{ m.content }", "cannot render"),
        ("{{ messages[0].nothing.at.all }}", "cannot render"),
    ],
)
def test_templates_that_cannot_teach_are_refused(
    with_template: Callable[[str], Any], jinja: str, reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        get_template("tokenizer", with_template(jinja))


def test_answers_must_all_end_alike(with_template: Callable[[str], Any]) -> None:
    jinja = "{% for m in messages %}{{ m.content }}{% if loop.last %}<|im_end|>{% else %}<|im_start|>{% endif %}{% endfor %}"
    own = get_template("tokenizer", with_template(jinja))
    with pytest.raises(RecordError, match="ends some answers"):
        own.render(TURNS)
