"""What `mmtune inspect` shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mmtune.records import Turn
from mmtune.templates import encode, get_template, rendered_text
from mmtune.templates.describe import SUPERVISED_STYLE, describe, summarise

TURNS = (Turn("user", "<image>\n Two  dogs, <image>?\x1b[2J"), Turn("assistant", "Yes, 猫."))


@pytest.mark.parametrize(
    ("template", "name"), [("vicuna_v1", "llama"), ("qwen", "qwen"), ("chatml", "llama_chatml")]
)
def test_the_text_is_that_of_the_template(tokenizer: Callable[[str], Any], template: str, name: str) -> None:
    tk = tokenizer(name)
    segments = get_template(template, tk).render(TURNS)
    text = describe(encode(segments, tk, add_bos=False), tk, [576, 12])
    shown = text.plain.replace("<image: 576 visual token(s)>", "<image>").replace(
        "<image: 12 visual token(s)>", "<image>"
    )
    expected = rendered_text(segments).replace("\x1b", "\u241b")
    # Sentencepiece really puts a space after an image, as at the start of a text.
    assert shown.lstrip().replace("<image> ", "<image>") == expected
    coloured = "".join(text.plain[s.start : s.end] for s in text.spans if s.style == SUPERVISED_STYLE)
    assert coloured.strip() == "Yes, 猫." + get_template(template, tk).stop[0]


def test_the_numbers(tokenizer: Callable[[str], Any]) -> None:
    tk = tokenizer("llama")
    encoded = encode(get_template("v1").render(TURNS), tk)
    summary = summarise(encoded, [576, 12])
    assert (summary.images, summary.visual_tokens) == (2, 588)
    assert summary.tokens == len(encoded.ids) - 2 + 588
    assert summary.supervised == sum(encoded.supervised)
    assert f"{summary.supervised / summary.tokens:.1%}" in str(summary)
    assert summarise(encoded).tokens == len(encoded.ids)
    with pytest.raises(ValueError, match="2 images"):
        summarise(encoded, [576])


def test_nothing_is_nothing() -> None:
    from mmtune.templates import Encoded

    assert summarise(Encoded([], [])).supervised_fraction == 0.0
