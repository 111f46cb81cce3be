"""Image and caption with nothing around them: the template of projector alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmtune.records import Turn
from mmtune.templates.base import ImageCounter, open_turns
from mmtune.templates.segments import ImageSegment, Segment, TextSegment

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Plain:
    """Images, then the caption and a newline, which are supervised; questions and system text are left out.

    Source: ``preprocess_plain`` of LLaVA.
    """

    name: str = "plain"
    end: str = "\n"

    @property
    def stop(self) -> tuple[str, ...]:
        """What ends a caption."""
        return (self.end,)

    def render(self, turns: Sequence[Turn], *, generate: bool = False) -> list[Segment]:
        """See ``Template.render``; several rounds give images and captions by turns."""
        images = ImageCounter()
        segments: list[Segment] = []
        for turn in open_turns(turns, generate):
            if turn.role == "user":
                # Not supervised, though empty: two captions in a row stay two texts.
                segments.append(TextSegment("", control=True))
                segments += [s for s in images.segments(turn.text) if isinstance(s, ImageSegment)]
            elif turn.role == "assistant":
                segments.append(TextSegment(turn.text, supervised=True))
                segments.append(TextSegment(self.end, supervised=True, control=True))
        return segments

    def fit(self, tokenizer: PreTrainedTokenizerBase) -> Plain:
        """Any tokenizer will do."""
        return self

    def control_texts(self) -> dict[str, str]:
        """The newline behind a caption."""
        return {"end": self.end}


PLAIN = Plain()
