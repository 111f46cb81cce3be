"""Chat templates: turns in, segments with their own loss mask out."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from mmtune.errors import UserError
from mmtune.templates.base import RoundLayout, Template
from mmtune.templates.chatml import CHATML, MISTRAL_ORCA, MPT
from mmtune.templates.fitting import warn_of_misfits
from mmtune.templates.from_tokenizer import TokenizerTemplate
from mmtune.templates.gemma import GEMMA_INSTRUCT
from mmtune.templates.llama_2 import LLAMA_2, LLAVA_LLAMA_2, LLAVA_LLAMA_2_MMTAG, LLAVA_LLAMA_2_SIMPLE
from mmtune.templates.llama_3 import LLAMA_3
from mmtune.templates.mistral import MISTRAL_INSTRUCT
from mmtune.templates.plain import PLAIN
from mmtune.templates.qwen import QWEN, QWEN_2_5
from mmtune.templates.segments import (
    Encoded,
    ImageSegment,
    Segment,
    TextSegment,
    encode,
    expand,
    rendered_text,
)
from mmtune.templates.v0 import V0, V0_MMTAG
from mmtune.templates.vicuna import LLAVA_V1, V1_MMTAG, VICUNA_V1
from mmtune.templates.zephyr import MISTRAL_ZEPHYR

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ALL: tuple[Template, ...] = (
    PLAIN,
    VICUNA_V1,
    LLAVA_V1,
    V1_MMTAG,
    V0,
    V0_MMTAG,
    LLAVA_LLAMA_2,
    LLAVA_LLAMA_2_SIMPLE,
    LLAVA_LLAMA_2_MMTAG,
    LLAMA_2,
    LLAMA_3,
    MISTRAL_INSTRUCT,
    MISTRAL_ORCA,
    MISTRAL_ZEPHYR,
    CHATML,
    MPT,
    QWEN,
    QWEN_2_5,
    GEMMA_INSTRUCT,
)

TEMPLATES: dict[str, Template] = {template.name: template for template in _ALL}
"""Templates by name; ``tokenizer`` is the further one that a tokenizer brings along."""

ALIASES = {
    "v1": "vicuna_v1",
    "v0_plain": "plain",
    "default": "v0",
    "llava_v0": "v0",
    "llava_v0_mmtag": "v0_mmtag",
    "llava_v1_mmtag": "v1_mmtag",
    "llava_llama_3": "llama_3",
    "llava_mistral_instruct": "mistral_instruct",
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
        tokenizer: where it is given, the template is fitted to it (the end token of its answers), and what
            still does not fit is warned of.

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
    if tokenizer is None:
        return template
    template = template.fit(tokenizer)
    warn_of_misfits(template, tokenizer)
    return template


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
