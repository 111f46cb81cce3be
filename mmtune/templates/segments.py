"""Segments, what a template renders to, and their ids with the loss mask, built together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmtune.batch import IMAGE_TOKEN_ID
from mmtune.errors import UserError
from mmtune.records import IMAGE_PLACEHOLDER
from mmtune.templates.vocabulary import Vocabulary, vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class TextSegment:
    """A stretch of text under one loss mask."""

    text: str
    supervised: bool = False
    control: bool = False
    """Owned by the template: only here do special-token strings become special tokens."""


@dataclass(frozen=True, slots=True)
class ImageSegment:
    """The position of an image."""

    index: int
    """Which image of the record, counted from 0."""


Segment = TextSegment | ImageSegment


@dataclass(frozen=True, slots=True)
class Encoded:
    """Ids of one conversation and, for each, whether it is learned."""

    ids: list[int]
    """An image is ``IMAGE_TOKEN_ID``: once after ``encode``, once a visual token after ``expand``."""
    supervised: list[bool]


def rendered_text(segments: Iterable[Segment]) -> str:
    """The text of segments as a person would write it, with ``<image>`` for an image."""
    return "".join(IMAGE_PLACEHOLDER if isinstance(s, ImageSegment) else s.text for s in segments)


def encode(
    segments: Iterable[Segment], tokenizer: PreTrainedTokenizerBase, *, add_bos: bool | None = None
) -> Encoded:
    """Tokenise segments; ids and mask cannot disagree, because each id comes out of one segment's mask.

    Neighbouring segments are tokenised as one text where the mask does not change, and cut where it does: at
    that cut generation starts, so training sees the ids that generation will see. An empty segment cuts too
    if its mask differs.

    Args:
        segments: what a template rendered.
        tokenizer: a transformers tokenizer.
        add_bos: begin with the tokenizer's first token; by default as the tokenizer itself does. It is never
            doubled when the template writes it.

    Raises:
        UserError: ``add_bos`` is asked of a tokenizer that has no first token.
    """
    words = vocabulary(tokenizer)
    writer = _Writer(words)
    for segment in segments:
        if isinstance(segment, ImageSegment):
            writer.image()
            continue
        writer.mask_with(segment.supervised)
        if not segment.control:
            writer.text(segment.text, control=False)
            continue
        for number, piece in enumerate(words.split_special(segment.text)):
            if number % 2:
                writer.special(piece)
            else:
                writer.text(piece, control=True)
    writer.flush()
    ids, supervised = writer.ids, writer.mask
    if words.adds_bos if add_bos is None else add_bos:
        if words.bos_id is None:
            raise UserError(
                "The tokenizer has no first token (bos_token) to begin with", fix="set add_bos to false"
            )
        if ids[:1] != [words.bos_id]:
            ids, supervised = [words.bos_id, *ids], [False, *supervised]
    return Encoded(ids, supervised)


def expand(encoded: Encoded, counts: Sequence[int]) -> Encoded:
    """Give each image its visual tokens.

    Args:
        encoded: ids with one ``IMAGE_TOKEN_ID`` an image.
        counts: visual tokens of each image, in order.

    Returns:
        The same with the k-th image written ``counts[k]`` times.

    Raises:
        ValueError: the number of images is another than that of the counts.
    """
    places = encoded.ids.count(IMAGE_TOKEN_ID)
    if places != len(counts):
        raise ValueError(f"{places} images in the ids, {len(counts)} counts given")
    ids: list[int] = []
    supervised: list[bool] = []
    start = 0
    for count in counts:
        place = encoded.ids.index(IMAGE_TOKEN_ID, start)
        ids += encoded.ids[start:place] + [IMAGE_TOKEN_ID] * count
        supervised += encoded.supervised[start:place] + [False] * count
        start = place + 1
    return Encoded(ids + encoded.ids[start:], supervised + encoded.supervised[start:])


class _Writer:
    """Collects plain text until something cuts it: an image, a special token, or a change of the mask."""

    def __init__(self, words: Vocabulary) -> None:
        self.ids: list[int] = []
        self.mask: list[bool] = []
        self._words = words
        self._texts: list[str] = []
        self._supervised = False
        self._control = True
        self._opening = True
        self._eat_left = False

    def mask_with(self, supervised: bool) -> None:
        if supervised != self._supervised:
            self.flush()
            self._supervised = supervised

    def text(self, text: str, *, control: bool) -> None:
        if text:
            self._texts.append(text)
            self._control = self._control and control

    def image(self) -> None:
        self.flush()
        self._append([IMAGE_TOKEN_ID], False)
        self._opening, self._eat_left = True, False

    def special(self, name: str) -> None:
        if name in self._words.eats_left and self._texts:
            self._texts = ["".join(self._texts).rstrip()]
        self.flush()
        self._append([self._words.special_ids[name]], self._supervised)
        self._opening = self._words.opens_after_special
        self._eat_left = name in self._words.eats_right

    def flush(self) -> None:
        if self._texts:
            text = "".join(self._texts)
            if self._eat_left:
                text, self._eat_left = text.lstrip(), False
            encode_text = self._words.encode_control if self._control else self._words.encode
            self._append(encode_text(text, opening=self._opening), self._supervised)
            self._opening = self._opening and not text
            self._texts.clear()
        self._control = True

    def _append(self, ids: list[int], supervised: bool) -> None:
        self.ids += ids
        self.mask += [supervised] * len(ids)
