"""The Jinja form of a template writes what the template itself writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.batch import IMAGE_TOKEN_ID
from mmtune.models.convert.tokens import with_tokens
from mmtune.records import Turn
from mmtune.templates import TEMPLATES, encode, get_template, rendered_text
from mmtune.templates.jinja import chat_template

examples = settings(derandomize=True, deadline=None, max_examples=25)
words = st.text(alphabet="ab {}%'\"\\\n<>|猫🐱", max_size=12)


def as_messages(turns: Sequence[Turn], *, parts: bool) -> list[dict[str, Any]]:
    """Turns as transformers takes them, their texts whole or cut into parts at the images."""
    messages: list[dict[str, Any]] = []
    for turn in turns:
        content: Any = turn.text
        if parts:
            texts = turn.text.split("<image>\n")
            content = [{"type": "text", "text": texts[0]}] if texts[0] else []
            for text in texts[1:]:
                content += [{"type": "image"}, {"type": "text", "text": text}]
        messages.append({"role": turn.role, "content": content})
    return messages


@st.composite
def conversations(draw: st.DrawFn) -> list[Turn]:
    turns = [Turn("system", draw(words))] if draw(st.booleans()) else []
    for number in range(draw(st.integers(1, 3))):
        image = "<image>\n" if number == 0 and draw(st.booleans()) else ""
        turns += [Turn("user", image + draw(words)), Turn("assistant", draw(words))]
    return turns


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("parts", [False, True])
@examples
@given(turns=conversations())
def test_it_writes_what_the_template_writes(
    tokenizer: Callable[[str], Any], name: str, parts: bool, turns: list[Turn]
) -> None:
    tk = tokenizer("qwen")
    template = get_template(name)
    source = chat_template(template, tk)

    def rendered(of: list[Turn], **options: Any) -> str:
        messages = as_messages(of, parts=parts)
        return tk.apply_chat_template(messages, chat_template=source, tokenize=False, **options)

    assert rendered(turns) == rendered_text(template.render(turns))
    prompt = rendered_text(template.render(turns, generate=True))
    assert rendered(turns[:-1], add_generation_prompt=True) == prompt


@pytest.mark.parametrize("parts", [False, True])
def test_the_tokenizers_own_template_takes_parts(tokenizer: Callable[[str], Any], parts: bool) -> None:
    tk = tokenizer("llama3_standin")
    template = get_template("tokenizer", tk)
    turns = [Turn("user", "<image>\nWhat?"), Turn("assistant", "A cat.")]
    text = tk.apply_chat_template(
        as_messages(turns, parts=parts), chat_template=chat_template(template, tk), tokenize=False
    )
    assert text == rendered_text(template.render(turns))


def test_parts_keep_their_order(tokenizer: Callable[[str], Any]) -> None:
    tk = tokenizer("qwen")
    content = [
        {"type": "text", "text": "First"},
        {"type": "image"},
        {"type": "image"},
        {"type": "text", "text": "which?"},
    ]
    source = chat_template(get_template("v1"), tk)
    text = tk.apply_chat_template(
        [{"role": "user", "content": content}], chat_template=source, tokenize=False
    )
    assert text.endswith("USER: First\n<image>\n<image>\nwhich? ")


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("vicuna_v1", "llama"),
        ("chatml", "llama_chatml"),
        ("mistral_instruct", "llama_legacy"),
        ("qwen", "qwen"),
    ],
)
@pytest.mark.parametrize(
    "question",
    ["<image>\nWhat?", "What?\n<image>", "Compare <image> and <image>.", "<image><image>", "No image."],
)
def test_another_tool_reads_the_ids_that_we_read(
    tokenizer: Callable[[str], Any], template: str, name: str, question: str
) -> None:
    tk = tokenizer(name)
    turns = [Turn("user", question)]
    fitted = get_template(template, tk)
    ours = encode(fitted.render(turns, generate=True), tk)
    other, _ = with_tokens(tk)
    text = other.apply_chat_template(
        as_messages(turns, parts=False),
        chat_template=chat_template(fitted, tk),
        tokenize=False,
        add_generation_prompt=True,
    )
    image = other.convert_tokens_to_ids("<image>")
    assert other(text).input_ids == [image if i == IMAGE_TOKEN_ID else i for i in ours.ids]
