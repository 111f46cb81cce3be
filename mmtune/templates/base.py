"""What every chat template is, and the layout that most of them share."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from mmtune.records import IMAGE_PLACEHOLDER, Turn
from mmtune.templates.segments import ImageSegment, Segment, TextSegment
from mmtune.templates.vocabulary import vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

_LLAMA_EOS = "</s>"


class Template(Protocol):
    """A chat format: turns in, segments with their loss mask out."""

    @property
    def name(self) -> str:
        """The name in recipes and checkpoints."""
        ...

    @property
    def stop(self) -> tuple[str, ...]:
        """What ends an answer; generation stops there."""
        ...

    def render(self, turns: Sequence[Turn], *, generate: bool = False) -> list[Segment]:
        """Lay out a conversation; the answers and what ends them are supervised.

        Args:
            turns: an optional system turn, then user and assistant in turn. A system turn replaces the
                template's own system text.
            generate: leave the last answer open for the model to write. An assistant turn at the end is left
                out then; the segments are always a prefix of the full rendering.
        """
        ...

    def fit(self, tokenizer: PreTrainedTokenizerBase) -> Template:
        """The template as this tokenizer needs it."""
        ...


class ImageCounter:
    """Numbers the images of a record while its turns are rendered."""

    def __init__(self) -> None:
        self._next = 0

    def segments(self, text: str) -> Iterator[Segment]:
        """Cut a user turn's text at its placeholders."""
        for number, piece in enumerate(text.split(IMAGE_PLACEHOLDER)):
            if number:
                yield ImageSegment(self._next)
                self._next += 1
            if piece:
                yield TextSegment(piece)


def open_turns(turns: Sequence[Turn], generate: bool) -> Sequence[Turn]:
    """The turns to render: without the answer that the model shall write."""
    return turns[:-1] if generate and turns and turns[-1].role == "assistant" else turns


@dataclass(frozen=True)
class RoundLayout:
    """A template of fixed strings around the texts of each round.

    A conversation is ``[system_open] system [system_close]``, then for each round
    ``[user_open] question [user_close] [assistant_open] [answer_lead] answer [end] [after_end]``.
    """

    name: str
    system: str
    """Default system text; where it is empty and the record has none, the system block is left out."""
    system_open: str
    system_close: str
    user_open: str
    user_close: str
    assistant_open: str
    """Generation starts after this."""
    end: str
    """Ends an answer; supervised."""
    answer_lead: str = ""
    """Supervised text before the answer: the space that belongs to its first word."""
    after_end: str = ""
    """Follows each answer; not supervised."""
    first_user_open: str | None = None
    """In place of ``user_open`` in the first round."""

    @property
    def stop(self) -> tuple[str, ...]:
        """What ends an answer."""
        return (self.end.strip() or self.end,)

    def render(self, turns: Sequence[Turn], *, generate: bool = False) -> list[Segment]:
        """See ``Template.render``."""
        turns = open_turns(turns, generate)
        images = ImageCounter()
        segments: list[Segment] = []
        if turns and turns[0].role == "system":
            segments += self._system_block(TextSegment(turns[0].text))
            turns = turns[1:]
        else:
            segments += self._system_block(TextSegment(self.system, control=True))
        opening = self.user_open if self.first_user_open is None else self.first_user_open
        for turn in turns:
            if turn.role == "user":
                segments += [_control(opening), *images.segments(turn.text), _control(self.user_close)]
                segments.append(_control(self.assistant_open))
                opening = self.user_open
            else:
                segments += [
                    TextSegment(self.answer_lead, supervised=True, control=True),
                    TextSegment(turn.text, supervised=True),
                    TextSegment(self.end, supervised=True, control=True),
                    _control(self.after_end),
                ]
        return [s for s in segments if isinstance(s, ImageSegment) or s.text]

    def _system_block(self, text: TextSegment) -> list[Segment]:
        return [_control(self.system_open), text, _control(self.system_close)] if text.text else []

    def fit(self, tokenizer: PreTrainedTokenizerBase) -> RoundLayout:
        """End answers with the tokenizer's own end token where it does not know Llama's ``</s>``."""
        special = vocabulary(tokenizer).special_ids
        if self.end.strip() == _LLAMA_EOS and _LLAMA_EOS not in special and tokenizer.eos_token:
            log.info(
                "template %s: answers end with %s, as this tokenizer has no </s>",
                self.name,
                tokenizer.eos_token,
            )
            return replace(self, end=self.end.replace(_LLAMA_EOS, tokenizer.eos_token))
        if self.end.strip() and self.stop[0].startswith("<") and self.stop[0] not in special:
            log.warning(
                "template %s does not fit the tokenizer: %s is no token of it", self.name, self.stop[0]
            )
        return self


def _control(text: str) -> TextSegment:
    return TextSegment(text, control=True)
