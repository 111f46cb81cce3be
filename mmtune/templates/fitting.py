"""Telling when a template does not fit the tokenizer, and so not the model behind it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mmtune.errors import UserError
from mmtune.records import Turn
from mmtune.templates.from_tokenizer import TokenizerTemplate
from mmtune.templates.segments import TextSegment
from mmtune.templates.vocabulary import vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from mmtune.templates.base import Template

log = logging.getLogger(__name__)

_CONTROL_TOKEN = re.compile(r"<\|[^|<>\s]+\|>|</?s>|<(?:start|end)_of_turn>")
"""What templates write as one token; a tokenizer without it would spell it out."""


def misfits(template: Template, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Why a template does not fit a tokenizer, one sentence each; empty where it fits.

    Args:
        template: already fitted (``Template.fit``).
        tokenizer: the language model's.
    """
    texts = template.control_texts()
    if not texts or isinstance(template, TokenizerTemplate):
        return []
    name = tokenizer.name_or_path or type(tokenizer).__name__
    special = vocabulary(tokenizer).special_ids
    written = dict.fromkeys(_CONTROL_TOKEN.findall(" ".join(texts.values())))
    found = []
    if unknown := [token for token in written if token not in special]:
        what = f"{unknown[0]} is no token" if len(unknown) == 1 else f"{', '.join(unknown)} are no tokens"
        found.append(
            f"template {template.name} does not fit the tokenizer {name}: {what} of it and will be spelt out"
        )
    ending, own = template.stop[0], _own(tokenizer)
    # Alignment captions (a bare newline) end in no model's own way, and need not.
    if own is None or not ending.strip():
        return found
    tuned_with = "template 'tokenizer' is what that model was tuned with"
    if ending != own.stop[0]:
        found.append(
            f"template {template.name} ends answers with {ending}, the chat template that comes with {name} "
            f"with {own.stop[0]}: {tuned_with}"
        )
    elif lacking := _lacking(texts.values(), own, special):
        found.append(
            f"template {template.name} writes no {lacking}, which the chat template that comes with {name} "
            f"marks turns with: {tuned_with}"
        )
    return found


def warn_of_misfits(template: Template, tokenizer: PreTrainedTokenizerBase) -> None:
    """Log what ``misfits`` finds as warnings."""
    for sentence in misfits(template, tokenizer):
        log.warning("%s", sentence)


def _own(tokenizer: PreTrainedTokenizerBase) -> TokenizerTemplate | None:
    """The tokenizer's own chat template, where there is one that can be used."""
    if not tokenizer.chat_template:
        return None
    try:
        return TokenizerTemplate(tokenizer)
    except UserError:
        return None


def _lacking(texts: Iterable[str], own: TokenizerTemplate, special: Iterable[str]) -> str | None:
    """The first special token behind a question of the own chat template that no text of another has."""
    question, answer = Turn("user", "?"), Turn("assistant", "!")
    try:
        segments = own.render((question, answer, question), generate=True)
    except UserError:
        return None
    behind = "".join(s.text for s in segments[2:] if isinstance(s, TextSegment) and s.control)
    marks = sorted((token for token in special if token in behind), key=behind.index)
    return next((token for token in marks if token not in " ".join(texts)), None)
