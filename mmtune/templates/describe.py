"""What the model will see of a record, for a person's eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from rich.text import Text

from mmtune.batch import IMAGE_TOKEN_ID
from mmtune.templates.segments import Encoded
from mmtune.templates.vocabulary import vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SUPERVISED_STYLE = "bold green"
PROMPT_STYLE = "bright_black"
IMAGE_STYLE = "bold magenta"

# Control characters would act on the terminal, so their pictures (U+2400 and on) stand for them.
_VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {0x7F: 0x2421}


@dataclass(frozen=True)
class Summary:
    """The lengths of an encoded record."""

    tokens: int
    images: int
    visual_tokens: int
    supervised: int

    @property
    def supervised_fraction(self) -> float:
        """Share of the tokens that are learned, 0 to 1."""
        return self.supervised / self.tokens if self.tokens else 0.0

    def __str__(self) -> str:
        return (
            f"{self.tokens} tokens ({self.visual_tokens} of {self.images} image(s)), "
            f"{self.supervised} supervised ({self.supervised_fraction:.1%})"
        )


def summarise(encoded: Encoded, counts: Sequence[int] = ()) -> Summary:
    """Lengths of a record as it goes into the model.

    Args:
        encoded: ids before ``expand``.
        counts: visual tokens of each image; one each where none are given.

    Raises:
        ValueError: the number of images is another than that of the counts.
    """
    counts = _counts(encoded, counts)
    return Summary(
        tokens=len(encoded.ids) - len(counts) + sum(counts),
        images=len(counts),
        visual_tokens=sum(counts),
        supervised=sum(encoded.supervised),
    )


def describe(encoded: Encoded, tokenizer: PreTrainedTokenizerBase, counts: Sequence[int] = ()) -> Text:
    """The text that the ids stand for: supervised tokens in green, the prompt grey, images in magenta.

    Args:
        encoded: ids before ``expand``.
        tokenizer: the one that encoded them.
        counts: visual tokens of each image, shown with it.

    Raises:
        ValueError: the number of images is another than that of the counts.
    """
    left = list(_counts(encoded, counts))
    text = Text()
    pairs = zip(encoded.ids, encoded.supervised, strict=True)
    for (is_image, supervised), run in groupby(pairs, key=lambda pair: (pair[0] == IMAGE_TOKEN_ID, pair[1])):
        ids = [token_id for token_id, _ in run]
        if is_image:
            for _ in ids:
                text.append(f"<image: {left.pop(0)} visual token(s)>", IMAGE_STYLE)
        else:
            text.append(_decoded(ids, tokenizer), SUPERVISED_STYLE if supervised else PROMPT_STYLE)
    return text


def _counts(encoded: Encoded, counts: Sequence[int]) -> Sequence[int]:
    images = encoded.ids.count(IMAGE_TOKEN_ID)
    if counts and len(counts) != images:
        raise ValueError(f"{images} images in the ids, {len(counts)} counts given")
    return counts or [1] * images


def _decoded(ids: list[int], tokenizer: PreTrainedTokenizerBase) -> str:
    # Decoders drop a space at the start of a text, so the run is decoded behind a letter.
    anchor = vocabulary(tokenizer).encode("a", opening=True)
    before = tokenizer.decode(anchor)
    text = tokenizer.decode([*anchor, *ids], clean_up_tokenization_spaces=False)
    return str(text)[len(before) :].translate(_VISIBLE)
