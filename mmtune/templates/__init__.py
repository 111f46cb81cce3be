"""Chat templates: turns in, segments with their own loss mask out."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from mmtune.errors import UserError
from mmtune.templates.base import RoundLayout, Template
from mmtune.templates.chatml import CHATML
from mmtune.templates.from_tokenizer import TokenizerTemplate
from mmtune.templates.plain import PLAIN
from mmtune.templates.qwen import QWEN
from mmtune.templates.segments import (
    Encoded,
    ImageSegment,
    Segment,
    TextSegment,
    encode,
    expand,
    rendered_text,
)
from mmtune.templates.vicuna import VICUNA_V1

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TEMPLATES: dict[str, Template] = {t.name: t for t in (PLAIN, VICUNA_V1, CHATML, QWEN)}
"""Templates by name; ``tokenizer`` is the further one that a tokenizer brings along."""

ALIASES = {
    "v1": "vicuna_v1",
    "v0_plain": "plain",
    "chatml_direct": "chatml",
    "mistral_direct": "chatml",
    "qwen_1_5": "qwen",
    "qwen_2": "qwen",
}
"""Names that LLaVA and LLaVA-NeXT use for the same templates."""


def get_template(name: str, tokenizer: PreTrainedTokenizerBase | None = None) -> Template:
    """Look a template up by name.

    Args:
        name: a name or alias, or ``tokenizer`` for the chat template of the tokenizer itself.
        tokenizer: where it is given, the template is fitted to it (the end token of its answers).

    Raises:
        UserError: there is no such template, or ``tokenizer`` is asked for and brings none that can be used.
    """
    if name == TokenizerTemplate.name:
        if tokenizer is None:
            raise UserError("Template 'tokenizer' is the tokenizer's own, and none is loaded here")
        return TokenizerTemplate(tokenizer)
    template = TEMPLATES.get(ALIASES.get(name, name))
    if template is None:
        known = [*TEMPLATES, *ALIASES, TokenizerTemplate.name]
        near = get_close_matches(name, known, 1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}" if near else "choose one of " + ", ".join(known)
        raise UserError(f"There is no template {name!r}", fix=hint)
    return template if tokenizer is None else template.fit(tokenizer)


__all__ = [
    "ALIASES",
    "TEMPLATES",
    "Encoded",
    "ImageSegment",
    "RoundLayout",
    "Segment",
    "Template",
    "TextSegment",
    "TokenizerTemplate",
    "encode",
    "expand",
    "get_template",
    "rendered_text",
]
