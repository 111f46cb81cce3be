"""When an answer is over: stop tokens, and stop strings that may hide inside or across tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mmtune.errors import UserError

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What tokenizers write for bytes that are not a whole character yet."""


class StopRule:
    """Decides after each token whether a row is over, and cuts the stop string off its text.

    A stop string that is one token of the vocabulary stops by its id. Any other (as the line break of the
    ``plain`` template, which tokenizers merge with its neighbours) is looked for in the text.

    Args:
        tokenizer: the language model's tokenizer.
        stop: stop strings of the template.
        eos_ids: ids that end a text by the language model's own settings.

    Raises:
        UserError: if nothing could ever end an answer.
    """

    def __init__(self, tokenizer: Any, stop: Iterable[str], eos_ids: Iterable[int] = ()) -> None:
        self.tokenizer = tokenizer
        ids = set(eos_ids)
        texts = []
        for string in stop:
            token = tokenizer.convert_tokens_to_ids(string)
            if token is not None and tokenizer.convert_ids_to_tokens(token) == string:
                ids.add(token)
            elif string:
                texts.append(string)
        if tokenizer.eos_token_id is not None:
            ids.add(tokenizer.eos_token_id)
        self.ids = frozenset(ids)
        self.texts = tuple(texts)
        if not self.ids and not self.texts:
            raise UserError(
                "Neither the template nor the tokenizer has a token that ends an answer",
                fix="use a template with a stop string, or set the tokenizer's eos_token",
            )
        self._token_texts: dict[int, str] = {}

    def ended(self, ids: Sequence[int]) -> bool:
        """Whether the last of the generated ``ids`` ends the answer."""
        if ids[-1] in self.ids:
            return True
        if not self.texts:
            return False
        token_text = self._token_text(ids[-1])
        for text in self.texts:
            if text[-1] in token_text or _UNFINISHED in token_text:
                # A token is at least one byte, so these hold the whole string if it has just been completed.
                tail = ids[-(len(text.encode()) + 4) :]
                if text in self.tokenizer.decode(tail, skip_special_tokens=False):
                    return True
        return False

    def text(self, ids: Sequence[int]) -> str:
        """Text of the generated ids without special tokens, cut at the first stop string; not stripped."""
        kept = ids[:-1] if ids and ids[-1] in self.ids else ids
        return self.cut(
            self.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    def cut(self, text: str) -> str:
        """The text before the first stop string in it."""
        places = [place for stop in self.texts if (place := text.find(stop)) >= 0]
        return text[: min(places)] if places else text

    def begun(self, text: str) -> int:
        """How many characters at the end of ``text`` may be the start of a stop string."""
        for length in range(max(map(len, self.texts), default=1) - 1, 0, -1):
            if any(len(stop) > length and text.endswith(stop[:length]) for stop in self.texts):
                return length
        return 0

    def _token_text(self, token: int) -> str:
        known = self._token_texts.get(token)
        if known is None:
            known = self.tokenizer.decode([token], skip_special_tokens=False)
            self._token_texts[token] = known
        return known


class TextStream:
    """Turns ids that arrive one by one into pieces of text that, joined, are the answer's text.

    Held back until the next token settles it: bytes of an unfinished character, white space that may be the
    answer's end, and what may be the start of a stop string.
    """

    def __init__(self, rule: StopRule) -> None:
        self.rule = rule
        self._ids: list[int] = []
        self._sent = ""

    def push(self, token: int) -> str:
        """Take one more id; the new text that is certain, which may be empty."""
        self._ids.append(token)
        text = self.rule.text(self._ids).lstrip().rstrip(_UNFINISHED)
        text = text[: len(text) - self.rule.begun(text)]
        return self._new(text.rstrip())

    def finish(self) -> str:
        """The text that was still held back."""
        return self._new(self.rule.text(self._ids).strip())

    def _new(self, text: str) -> str:
        if not text.startswith(self._sent):
            return ""
        piece = text[len(self._sent) :]
        self._sent = text
        return piece
