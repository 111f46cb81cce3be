"""The chat template that comes with a tokenizer, with an exact loss mask."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmtune.errors import RecordError, UserError
from mmtune.records import Role, Turn
from mmtune.templates.base import ImageCounter, open_turns
from mmtune.templates.segments import Segment, TextSegment
from mmtune.templates.vocabulary import vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# A rare kind of space stands on both sides of a mark: where it is gone, the template strips the text.
_PAD = "\u2009"
_SLOT = re.compile(f"({_PAD}?)MMTUNE(\\d{{4}})SLOT({_PAD}?)")
_FIX = "choose a template by name, for example template: vicuna_v1"


@dataclass(frozen=True)
class _Slot:
    """Where a turn's text goes, and whether the chat template strips it there."""

    turn: int
    strips_left: bool
    strips_right: bool

    def filled(self, text: str) -> str:
        text = text.lstrip() if self.strips_left else text
        return text.rstrip() if self.strips_right else text


class TokenizerTemplate:
    """Renders through the tokenizer's own Jinja chat template.

    The Jinja template only ever sees unique marks in place of the texts, so that each text's place is known
    without tokenising prefixes, and so that no text can act as control text. What follows an answer up to its
    first special token is the end of the turn and supervised; the prompt for generation is all that precedes
    the answer, so it is exactly the prefix that training saw.

    Args:
        tokenizer: a transformers tokenizer with a chat template.

    Raises:
        UserError: there is no chat template, or it does not end answers with a special token.
    """

    name = "tokenizer"

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._layouts: dict[tuple[Role, ...], list[str | _Slot]] = {}
        if not tokenizer.chat_template:
            raise UserError(
                "The tokenizer has no chat template of its own", tokenizer.name_or_path or None, _FIX
            )
        self._end = self._find_end(("user", "assistant"))

    @property
    def stop(self) -> tuple[str, ...]:
        """What ends an answer."""
        return (self._end.strip(),)

    def render(self, turns: Sequence[Turn], *, generate: bool = False) -> list[Segment]:
        """See ``Template.render``.

        Raises:
            RecordError: the chat template refuses these roles, such as a system turn.
        """
        try:
            return self._segments(turns, generate)
        except UserError as error:
            raise RecordError(error.what, fix=error.fix) from error

    def fit(self, tokenizer: PreTrainedTokenizerBase) -> TokenizerTemplate:
        """The same for another tokenizer."""
        return self if tokenizer is self._tokenizer else TokenizerTemplate(tokenizer)

    def control_texts(self) -> dict[str, str]:
        """None: what the tokenizer writes are its own tokens."""
        return {}

    def _segments(self, turns: Sequence[Turn], generate: bool) -> list[Segment]:
        turns = open_turns(turns, generate)
        roles = (*(turn.role for turn in turns), *(("assistant",) if generate else ()))
        images = ImageCounter()
        segments: list[Segment] = []
        answered = False
        for piece in self._layout(roles):
            if isinstance(piece, str):
                segments += self._control(piece, answered)
                answered = False
            elif piece.turn == len(turns):
                break
            elif turns[piece.turn].role == "user":
                segments += images.segments(piece.filled(turns[piece.turn].text))
            else:
                answered = turns[piece.turn].role == "assistant"
                segments.append(TextSegment(piece.filled(turns[piece.turn].text), supervised=answered))
        return segments

    def _control(self, text: str, after_answer: bool) -> list[Segment]:
        if not after_answer:
            return [TextSegment(text, control=True)]
        if not text.startswith(self._end):
            raise self._refused(f"ends some answers with {self._end!r} and others with {text!r}")
        rest = text[len(self._end) :]
        segments: list[Segment] = [TextSegment(self._end, supervised=True, control=True)]
        return [*segments, TextSegment(rest, control=True)] if rest else segments

    def _find_end(self, roles: tuple[Role, ...]) -> str:
        tail = self._layout(roles)[-1]
        pieces = vocabulary(self._tokenizer).split_special(tail) if isinstance(tail, str) else []
        if len(pieces) < 2:
            raise self._refused(
                "does not end an answer with a special token, so a model could not learn to stop"
            )
        return pieces[0] + pieces[1]

    def _layout(self, roles: tuple[Role, ...]) -> list[str | _Slot]:
        """Control texts and slots for a conversation with these roles."""
        if roles not in self._layouts:
            self._layouts[roles] = self._parse(self._rendered(roles), len(roles))
        return self._layouts[roles]

    def _rendered(self, roles: tuple[Role, ...]) -> str:
        from jinja2 import TemplateError

        messages = [
            {"role": role, "content": f"{_PAD}MMTUNE{n:04d}SLOT{_PAD}"} for n, role in enumerate(roles)
        ]
        try:
            return str(self._tokenizer.apply_chat_template(messages, tokenize=False))
        except (TemplateError, TypeError, ValueError) as error:
            raise self._refused(f"cannot render the turns {', '.join(roles)}: {error}") from error

    def _parse(self, text: str, turns: int) -> list[str | _Slot]:
        layout: list[str | _Slot] = []
        end = 0
        for match in _SLOT.finditer(text):
            layout += [text[end : match.start()]] if match.start() > end else []
            layout.append(_Slot(int(match[2]), strips_left=not match[1], strips_right=not match[3]))
            end = match.end()
        layout += [text[end:]] if end < len(text) else []
        if [piece.turn for piece in layout if isinstance(piece, _Slot)] != list(range(turns)):
            raise self._refused("leaves out, repeats or reorders the text of a turn")
        return layout

    def _refused(self, reason: str) -> UserError:
        return UserError(
            f"The tokenizer's chat template {reason}", self._tokenizer.name_or_path or None, _FIX
        )
