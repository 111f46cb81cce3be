"""What holds for any conversation, any template and any tokenizer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.batch import IMAGE_TOKEN_ID
from mmtune.records import ImageRef, Record, Turn
from mmtune.templates import TextSegment, encode, expand, get_template
from mmtune.templates.describe import describe
from mmtune.templates.vocabulary import vocabulary

PAIRS = [
    ("plain", "llama"),
    ("plain", "qwen"),
    ("vicuna_v1", "llama"),
    ("vicuna_v1", "llama_legacy"),
    ("vicuna_v1", "llama_fast"),
    ("vicuna_v1", "qwen"),
    ("chatml", "llama_chatml"),
    ("chatml", "llama_chatml_legacy"),
    ("chatml", "llama_chatml_nobos"),
    ("qwen", "qwen"),
    ("qwen", "qwen25_style"),
    ("tokenizer", "llama3_standin"),
    ("llama_3", "llama3_standin"),
    ("v0", "llama"),
    ("v0", "qwen"),
    ("v1_mmtag", "llama"),
    ("llava_llama_2", "llama"),
    ("mistral_instruct", "llama_legacy"),
    ("gemma_instruct", "gemma_standin"),
]
STRIPPING = {"tokenizer", "llama_3"}
"""Templates that take the white space around a turn's text away."""
LOOK_ALIKES = [
    *(
        "<s>",
        "</s>",
        "<unk>",
        "<|im_start|>",
        "<|im_end|>",
        "<|endoftext|>",
        "<|eot_id|>",
        "<|begin_of_text|>",
    ),
    *("<|start_header_id|>", "<|end_header_id|>", "<|vision_start|>", "<bos>", "<start_of_turn>", "USER: "),
    *(" ASSISTANT:", "[INST]", "system\n", "<image", "image>", "###", "MMTUNE0000SLOT"),
]
PIECES = [
    "a",
    "Hello",
    " cat",
    " ",
    "  ",
    "\n",
    "\r\n",
    "?",
    "猫",
    "e\u0301",
    "🐱",
    "\u200b",
    "\xa0",
    "▁",
    "7",
]

texts = (
    st.lists(st.sampled_from(PIECES + LOOK_ALIKES) | st.characters(exclude_categories=["Cs"]), max_size=8)
    .map("".join)
    .map(lambda text: text.replace("<image>", ""))
    .filter(lambda text: "<image>" not in text)
)
answers = texts.map(lambda text: text if text.strip() else text + "yes")
each_pair = pytest.mark.parametrize(("template", "name"), PAIRS)
examples = settings(max_examples=25, deadline=None, derandomize=True)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Turn, ...]:
    """A good conversation with images anywhere in its user turns."""
    turns = [Turn("system", draw(texts) + "s")] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        turns.append(Turn("user", "<image>".join(draw(st.lists(texts, min_size=1, max_size=3)))))
        turns.append(Turn("assistant", draw(answers)))
    Record("r", tuple(turns), (ImageRef("a.jpg"),) * sum(turn.placeholders for turn in turns)).check()
    return tuple(turns)


def comparable(text: str) -> str:
    """Without what tokenizers do not keep: composed accents (NFC), and sentencepiece's own sign for a space."""
    return unicodedata.normalize("NFC", text).replace("▁", " ").replace(" ", "")


@each_pair
@examples
@given(turns=conversations())
def test_ids_and_mask_agree(
    tokenizer: Callable[[str], Any], template: str, name: str, turns: tuple[Turn, ...]
) -> None:
    tk = tokenizer(name)
    layout = get_template(template, tk)
    encoded = encode(layout.render(turns), tk)
    assert len(encoded.ids) == len(encoded.supervised)
    assert encoded.ids.count(IMAGE_TOKEN_ID) == sum(turn.placeholders for turn in turns)

    learned = [i for i, supervised in zip(encoded.ids, encoded.supervised, strict=True) if supervised]
    replies = [
        turn.text.strip() if template in STRIPPING else turn.text
        for turn in turns
        if turn.role == "assistant"
    ]
    end = layout.control_texts().get("end", layout.stop[0])
    assert comparable(tk.decode(learned)) == comparable("".join(reply + end for reply in replies))

    prompt = encode(layout.render(turns, generate=True), tk)
    assert encoded.ids[: len(prompt.ids)] == prompt.ids
    assert encoded.supervised[: len(prompt.ids)] == prompt.supervised
    assert encoded.supervised[len(prompt.ids)]
    assert encode(layout.render(turns[:-1], generate=True), tk) == prompt

    assert comparable(describe(encoded, tk).plain).count("<image:1visualtoken(s)>") == encoded.ids.count(
        IMAGE_TOKEN_ID
    )


@each_pair
@examples
@given(turns=conversations())
def test_no_text_becomes_a_special_token(
    tokenizer: Callable[[str], Any], template: str, name: str, turns: tuple[Turn, ...]
) -> None:
    tk = tokenizer(name)
    layout = get_template(template, tk)
    harmless = tuple(replace(turn, text="x" + "<image>" * turn.placeholders) for turn in turns)
    special = set(vocabulary(tk).special_ids.values())

    def special_ids(of: tuple[Turn, ...]) -> list[int]:
        return [i for i in encode(layout.render(of), tk).ids if i in special]

    assert special_ids(turns) == special_ids(harmless)


@examples
@given(turns=conversations(), counts=st.lists(st.integers(0, 5), min_size=20, max_size=20))
def test_expanding_gives_each_image_its_tokens(
    tokenizer: Callable[[str], Any], turns: tuple[Turn, ...], counts: list[int]
) -> None:
    tk = tokenizer("llama")
    encoded = encode(get_template("vicuna_v1").render(turns), tk)
    counts = counts[: encoded.ids.count(IMAGE_TOKEN_ID)]
    expanded = expand(encoded, counts)
    assert len(expanded.ids) == len(expanded.supervised) == len(encoded.ids) - len(counts) + sum(counts)
    assert sum(expanded.supervised) == sum(encoded.supervised)
    assert [i for i in expanded.ids if i != IMAGE_TOKEN_ID] == [i for i in encoded.ids if i != IMAGE_TOKEN_ID]
    with pytest.raises(ValueError, match="counts given"):
        expand(encoded, [*counts, 1])


@pytest.mark.parametrize(
    "name", ["llama", "llama_legacy", "llama_chatml", "qwen", "llama3_standin", "gemma_standin"]
)
@examples
@given(parts=st.lists(texts, min_size=1, max_size=4))
def test_control_text_is_tokenised_as_the_tokenizer_itself_does(
    tokenizer: Callable[[str], Any], name: str, parts: list[str]
) -> None:
    tk = tokenizer(name)
    special = "|".join(map(re.escape, vocabulary(tk).special_ids))
    text = tk.eos_token.join(part.replace("▁", "") for part in parts)
    # A space at an opening is where transformers 5 leaves sentencepiece's rule and we do not.
    text = re.sub(rf"(^|{special})\s+", r"\1", text)
    ours = encode([TextSegment(text, control=True)], tk, add_bos=False)
    assert ours.ids == tk(text, add_special_tokens=False).input_ids
