"""The instruction that belongs to each image, for projectors that read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmtune.records import IMAGE_PLACEHOLDER, Turn
from mmtune.templates.vocabulary import vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LONGEST = 128
"""Tokens of an instruction that are read; InstructBLIP reads as many."""


def instruction_ids(
    turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase, longest: int = LONGEST
) -> tuple[list[int], ...]:
    """Ids of the instruction of each image: the words of the user turn that the image stands in.

    Answers and later turns are left out: visual tokens stand before them, and what they know of them would
    be an answer given away. So training on a conversation and holding it turn by turn give an image the same
    tokens. The template plays no part, also where it leaves questions out, as ``plain`` does.

    Args:
        turns: a conversation with its placeholders.
        tokenizer: the language model's tokenizer; nothing in the words becomes a special token.
        longest: tokens of an instruction that are kept, from its start.

    Returns:
        For each image, in the order of the placeholders, its ids; empty where the turn has no words.

    Source: the instruction that InstructBLIP's Q-Former reads; the rule for several turns is our own.
    """
    words = vocabulary(tokenizer)
    found: list[list[int]] = []
    for turn in turns:
        if turn.role == "user" and turn.placeholders:
            pieces = (piece.strip() for piece in turn.text.split(IMAGE_PLACEHOLDER))
            text = " ".join(piece for piece in pieces if piece)
            found += [words.encode(text, opening=True)[:longest]] * turn.placeholders
    return tuple(found)
