"""What every chat template is, and the layout that most of them share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from mmtune.records import IMAGE_PLACEHOLDER, Turn
from mmtune.templates.segments import ImageSegment, Segment, TextSegment
from mmtune.templates.vocabulary import vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LLAMA_BOS, _LLAMA_EOS = "<s>", "</s>"


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

    def control_texts(self) -> dict[str, str]:
        """The strings that the template itself writes, by place; none where they are the tokenizer's."""
        ...


class ImageCounter:
    """Numbers the images of a record while its turns are rendered.

    Args:
        before: control text in front of each image.
        after: control text behind it.
    """

    def __init__(self, before: str = "", after: str = "") -> None:
        self._next = 0
        self._before: list[Segment] = [TextSegment(before, control=True)] if before else []
        self._after: list[Segment] = [TextSegment(after, control=True)] if after else []

    def segments(self, text: str) -> Iterator[Segment]:
        """Cut a user turn's text at its placeholders."""
        for number, piece in enumerate(text.split(IMAGE_PLACEHOLDER)):
            if number:
                yield from [*self._before, ImageSegment(self._next), *self._after]
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
    """In place of ``user_open`` right after a system block."""
    image_open: str = ""
    """In front of each image."""
    image_close: str = ""
    """Behind each image."""
    strips: bool = False
    """Whether the texts of turns lose the white space around them."""

    @property
    def stop(self) -> tuple[str, ...]:
        """What ends an answer."""
        return (self.end.strip() or self.end,)

    def render(self, turns: Sequence[Turn], *, generate: bool = False) -> list[Segment]:
        """See ``Template.render``."""
        turns = open_turns(turns, generate)
        images = ImageCounter(self.image_open, self.image_close)
        segments: list[Segment] = []
        if turns and turns[0].role == "system":
            segments += self._system_block(TextSegment(self._text(turns[0])))
            turns = turns[1:]
        else:
            segments += self._system_block(TextSegment(self.system, control=True))
        first = self.first_user_open if segments else None
        opening = self.user_open if first is None else first
        for turn in turns:
            text = self._text(turn)
            if turn.role == "user":
                segments += [_control(opening), *images.segments(text), _control(self.user_close)]
                segments.append(_control(self.assistant_open))
                opening = self.user_open
            else:
                segments += [
                    TextSegment(self.answer_lead, supervised=True, control=True),
                    TextSegment(text, supervised=True),
                    TextSegment(self.end, supervised=True, control=True),
                    _control(self.after_end),
                ]
        return [s for s in segments if isinstance(s, ImageSegment) or s.text]

    def _system_block(self, text: TextSegment) -> list[Segment]:
        return [_control(self.system_open), text, _control(self.system_close)] if text.text else []

    def _text(self, turn: Turn) -> str:
        return turn.text.strip() if self.strips else turn.text

    def control_texts(self) -> dict[str, str]:
        """The strings that the template itself writes, by their place."""
        return {
            place: getattr(self, place)
            for place in (
                "system_open",
                "system",
                "system_close",
                "user_open",
                "user_close",
                "assistant_open",
                "answer_lead",
                "end",
                "after_end",
                "image_open",
                "image_close",
            )
        } | {"first_user_open": self.first_user_open or ""}

    def fit(self, tokenizer: PreTrainedTokenizerBase) -> RoundLayout:
        """The template with the tokenizer's own first and end tokens where it does not know Llama's."""
        special = vocabulary(tokenizer).special_ids
        own = {_LLAMA_EOS: tokenizer.eos_token, _LLAMA_BOS: tokenizer.bos_token or ""}
        changed: dict[str, Any] = {
            place: text.replace(token, own[token])
            for place, text in self.control_texts().items()
            for token in own
            if token in text and token not in special and own[token] is not None
        }
        return replace(self, **changed) if changed else self


def _control(text: str) -> TextSegment:
    return TextSegment(text, control=True)
