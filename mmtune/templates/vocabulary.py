"""The tokenizer as a template needs it: plain text never becomes a special token, and joints are exact."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from mmtune.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CACHED_TEXTS = 4096


class _PlainText(Protocol):
    """Encodes text in which nothing is special, at the opening of a text or in its middle."""

    def opening(self, text: str) -> list[int]: ...

    def continuing(self, text: str) -> list[int]: ...


class Vocabulary:
    """Encodes plain text and knows the special tokens of one tokenizer.

    Tokenizers in the manner of sentencepiece put a space before a text. So the ids of a text depend on what
    stands before it: it opens a text (the start, or after an image), follows a special token (the tokenizer's
    own convention decides), or continues plain text.

    Args:
        tokenizer: a transformers tokenizer with a tokenizers or a Python back end.

    Raises:
        UserError: the tokenizer has a back end of another kind.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.size = len(tokenizer)
        self.special_ids = _special_ids(tokenizer)
        names = sorted(self.special_ids, key=len, reverse=True)
        self._special_pattern = re.compile("(" + "|".join(map(re.escape, names)) + ")") if names else None
        flags = {str(token): token for token in tokenizer.added_tokens_decoder.values()}
        self.eats_left = frozenset(name for name in names if getattr(flags.get(name), "lstrip", False))
        self.eats_right = frozenset(name for name in names if getattr(flags.get(name), "rstrip", False))
        self._plain = _plain_text(tokenizer, self.special_ids)
        self.opens_after_special = self._probe_after_special(tokenizer)
        self.bos_id: int | None = tokenizer.bos_token_id
        self.adds_bos = self.bos_id is not None and tokenizer("a").input_ids[:1] == [self.bos_id]
        self._control_ids: dict[tuple[str, bool], list[int]] = {}

    def _probe_after_special(self, tokenizer: PreTrainedTokenizerBase) -> bool:
        """Whether text after a special token is encoded as if it opened a text."""
        opening = self._plain.opening("a")
        if not self.special_ids or opening == self._plain.continuing("a"):
            return False
        name = (
            tokenizer.eos_token if tokenizer.eos_token in self.special_ids else next(iter(self.special_ids))
        )
        ids = tokenizer(f"a{name}a", add_special_tokens=False).input_ids
        return ids[-len(opening) :] == opening

    def split_special(self, text: str) -> list[str]:
        """Cut control text at its special tokens; every second item is one."""
        return self._special_pattern.split(text) if self._special_pattern else [text]

    def encode(self, text: str, *, opening: bool) -> list[int]:
        """Ids of text in which nothing is special.

        Args:
            text: any text that UTF-8 can hold.
            opening: whether the text opens a text or continues one.
        """
        if not text:
            return []
        return self._plain.opening(text) if opening else self._plain.continuing(text)

    def encode_control(self, text: str, *, opening: bool) -> list[int]:
        """Like ``encode``, for a template's own text, which comes again in every record and is remembered."""
        key = (text, opening)
        if key not in self._control_ids:
            if len(self._control_ids) >= _CACHED_TEXTS:
                self._control_ids.clear()
            self._control_ids[key] = self.encode(text, opening=opening)
        return self._control_ids[key]


_KNOWN: WeakKeyDictionary[PreTrainedTokenizerBase, Vocabulary] = WeakKeyDictionary()


def vocabulary(tokenizer: PreTrainedTokenizerBase) -> Vocabulary:
    """The tokenizer's vocabulary, built once and again when tokens have been added."""
    known = _KNOWN.get(tokenizer)
    if known is None or known.size != len(tokenizer):
        known = _KNOWN[tokenizer] = Vocabulary(tokenizer)
    return known


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Special tokens by their text; ``<|…|>`` counts even where a tokenizer forgot to mark it as special."""
    special = {
        str(token): token_id
        for token_id, token in tokenizer.added_tokens_decoder.items()
        if token.special or (str(token).startswith("<|") and str(token).endswith("|>"))
    }
    for name in tokenizer.all_special_tokens:
        special.setdefault(str(name), int(tokenizer.convert_tokens_to_ids(str(name))))
    return special


def _plain_text(tokenizer: PreTrainedTokenizerBase, special_ids: dict[str, int]) -> _PlainText:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None and hasattr(backend, "to_str"):
        return _TokenizersText(backend.to_str(), special_ids)
    if hasattr(tokenizer, "_tokenize"):
        return _PythonText(tokenizer)
    raise UserError(
        f"The tokenizer class {type(tokenizer).__name__} cannot keep special tokens out of plain text",
        fix="load it as a tokenizers-backed class (tokenizer.json)",
    )


class _TokenizersText:
    """A private copy of a ``tokenizers`` pipeline without its added space, special tokens switched off."""

    def __init__(self, serialised: str, special_ids: dict[str, int]) -> None:
        from tokenizers import Tokenizer

        pipeline = json.loads(serialised)
        pipeline["truncation"] = pipeline["padding"] = pipeline["post_processor"] = None
        for token in pipeline["added_tokens"]:
            token["special"] = token["special"] or token["content"] in special_ids
        self._opened = _open_text(pipeline)
        self._tokenizer = Tokenizer.from_str(json.dumps(pipeline))
        self._tokenizer.encode_special_tokens = True

    def opening(self, text: str) -> list[int]:
        return self.continuing(self._opened(text))

    def continuing(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def _open_text(pipeline: dict[str, Any]) -> Callable[[str], str]:
    """Take the step that adds a space before a text out of a pipeline, and return it as a function."""
    opened: Callable[[str], str] = str
    for step in _steps(pipeline.get("pre_tokenizer"), "pretokenizers"):
        if step["type"] == "Metaspace":
            if step.get("prepend_scheme", "always") != "never":
                opened = _with_space
            step["prepend_scheme"] = "never"
            step.pop("add_prefix_space", None)
        elif step["type"] == "ByteLevel" and step.get("add_prefix_space"):
            opened = _with_one_space
            step["add_prefix_space"] = False
    for step in _steps(pipeline.get("normalizer"), "normalizers"):
        if step["type"] == "Prepend":
            opened = step["prepend"].__add__
            # An empty Prepend does nothing, and leaves no empty pipeline behind.
            step["prepend"] = ""
    return opened


def _steps(node: dict[str, Any] | None, children: str) -> list[dict[str, Any]]:
    if node is None:
        return []
    return (
        [step for child in node[children] for step in _steps(child, children)] if children in node else [node]
    )


def _with_space(text: str) -> str:
    # Sentencepiece adds its space even to text that starts with one; transformers 5 leaves it out there.
    return " " + text


def _with_one_space(text: str) -> str:
    return text if text.startswith(" ") else " " + text


class _PythonText:
    """A tokenizer written in Python (sentencepiece and others)."""

    _ANCHOR = "\n"

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._anchor_ids = self.opening(self._ANCHOR)

    def opening(self, text: str) -> list[int]:
        tokens = self._tokenizer.tokenize(text, split_special_tokens=True)
        return [int(token_id) for token_id in self._tokenizer.convert_tokens_to_ids(tokens)]

    def continuing(self, text: str) -> list[int]:
        # After an anchor that no token spans, the text is in the middle; without the anchor's ids it remains.
        ids = self.opening(self._ANCHOR + text)
        size = len(self._anchor_ids)
        return ids[size:] if size and ids[:size] == self._anchor_ids else self.opening(text)
