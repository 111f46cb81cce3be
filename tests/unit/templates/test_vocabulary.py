"""The joints between texts, for every kind of tokenizer back end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmtune.records import Turn
from mmtune.templates import TextSegment, encode, get_template
from mmtune.templates.vocabulary import Vocabulary, vocabulary

TURNS = (Turn("user", "<image>\nWhat is </s> this?"), Turn("assistant", "A cat. </s>"))


def rebuilt(tokenizer: Any, change: Callable[[dict[str, Any]], None]) -> Any:
    """A copy of a tokenizer whose serialised pipeline was changed."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    pipeline = json.loads(tokenizer.backend_tokenizer.to_str())
    change(pipeline)
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(pipeline)),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def prepend_normaliser(pipeline: dict[str, Any]) -> None:
    """How the fast Llama tokenizers of transformers 4 are written."""
    pipeline["pre_tokenizer"] = None
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    pipeline["normalizer"] = {
        "type": "Sequence",
        "normalizers": [{"type": "Prepend", "prepend": "▁"}, replace],
    }


def metaspace_in_a_sequence(pipeline: dict[str, Any]) -> None:
    pipeline["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [pipeline["pre_tokenizer"]]}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("llama_legacy", prepend_normaliser),
        ("llama", metaspace_in_a_sequence),
        ("llama", lambda pipeline: None),
    ],
)
def test_one_tokenizer_in_several_spellings(
    tokenizer: Callable[[str], Any], name: str, change: Callable[[dict[str, Any]], None]
) -> None:
    original = tokenizer(name)
    again = rebuilt(original, change)
    segments = get_template("vicuna_v1", original).render(TURNS + TURNS)
    assert encode(segments, again, add_bos=True) == encode(segments, original)


def test_a_lone_prepend_leaves_a_working_pipeline(tokenizer: Callable[[str], Any]) -> None:
    def change(pipeline: dict[str, Any]) -> None:
        pipeline["normalizer"] = {"type": "Prepend", "prepend": "▁"}
        pipeline["pre_tokenizer"] = None

    words = Vocabulary(rebuilt(tokenizer("llama"), change))
    assert words.encode("cat", opening=True) == tokenizer("llama")("cat", add_special_tokens=False).input_ids
    assert words.encode("cat", opening=False) != words.encode("cat", opening=True)


def test_byte_level_with_an_added_space(tokenizer: Callable[[str], Any]) -> None:
    qwen = tokenizer("qwen")

    def change(pipeline: dict[str, Any]) -> None:
        pipeline["pre_tokenizer"] = {
            "type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True
        }  # fmt: skip

    words = Vocabulary(rebuilt(qwen, change))
    assert words.encode("cat", opening=True) == qwen(" cat").input_ids
    assert words.encode(" cat", opening=True) == qwen(" cat").input_ids
    assert words.encode("cat", opening=False) == qwen("cat").input_ids


def test_a_tokenizer_written_in_python(tokenizer: Callable[[str], Any], golden: Path) -> None:
    from transformers import GPTSw3Tokenizer

    slow = GPTSw3Tokenizer(
        str(golden / "tokenizers" / "llama" / "tokenizer.model"),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<unk>",
        legacy=True,
    )
    assert not slow.is_fast
    segments = get_template("vicuna_v1", slow).render(TURNS)
    assert encode(segments, slow).ids == encode(segments, tokenizer("llama"), add_bos=False).ids


def test_special_tokens_that_eat_spaces(tokenizer: Callable[[str], Any]) -> None:
    from transformers import AddedToken

    tk = rebuilt(tokenizer("qwen"), lambda pipeline: None)
    tk.add_tokens(
        [AddedToken("<|ask|>", rstrip=True, special=True), AddedToken("<|end|>", lstrip=True, special=True)]
    )
    text = "<|ask|>\n Hi there \n<|end|> and on"
    assert encode([TextSegment(text, control=True)], tk).ids == tk(text).input_ids
    # An answer keeps its own spaces: generation starts after the prompt.
    cut = encode([TextSegment("<|ask|>\n", control=True), TextSegment(" yes", supervised=True)], tk)
    assert cut.ids[1:] == tk(" yes").input_ids


def test_added_tokens_are_noticed(tokenizer: Callable[[str], Any]) -> None:
    tk = rebuilt(tokenizer("llama"), lambda pipeline: None)
    assert "<|new|>" not in vocabulary(tk).special_ids
    tk.add_tokens(["<|new|>"])  # not marked as special, as happens
    assert vocabulary(tk).special_ids["<|new|>"] == len(tk) - 1
    assert len(tk) - 1 not in encode([TextSegment("a <|new|> b")], tk).ids
    assert encode([TextSegment("a <|new|> b", control=True)], tk).ids.count(len(tk) - 1) == 1


def test_other_people_keep_their_tokenizer(tokenizer: Callable[[str], Any]) -> None:
    tk = tokenizer("qwen")
    before = tk("a<|im_end|>").input_ids
    encode([TextSegment("a<|im_end|>")], tk)
    assert tk("a<|im_end|>").input_ids == before


@pytest.mark.parametrize(("name", "bos"), [("llama", [1]), ("llama_chatml_nobos", []), ("qwen", [])])
def test_the_first_token_is_as_the_tokenizer_has_it(
    tokenizer: Callable[[str], Any], name: str, bos: list[int]
) -> None:
    tk = tokenizer(name)
    body = encode([TextSegment("Hi")], tk, add_bos=False).ids
    assert encode([TextSegment("Hi")], tk).ids == bos + body
    assert encode([TextSegment("Hi")], tk).supervised == [False] * len(bos + body)


def test_the_first_token_is_never_doubled_and_never_invented(tokenizer: Callable[[str], Any]) -> None:
    from mmtune.errors import UserError

    assert encode([TextSegment("<s>Hi", control=True)], tokenizer("llama")).ids.count(1) == 1
    with pytest.raises(UserError, match="no first token"):
        encode([TextSegment("Hi")], tokenizer("qwen"), add_bos=True)
