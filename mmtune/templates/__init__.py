"""Chat templates: turns in, segments with their own loss mask out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmtune.errors import UserError, unknown
from mmtune.registry import Registry
from mmtune.templates.base import RoundLayout, Template
from mmtune.templates.fitting import warn_of_misfits
from mmtune.templates.from_tokenizer import TokenizerTemplate
from mmtune.templates.segments import (
    Encoded,
    ImageSegment,
    Segment,
    TextSegment,
    encode,
    expand,
    rendered_text,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TEMPLATES: Registry[Template] = Registry(
    "template",
    __name__,
    {
        "plain": "plain:PLAIN",
        "vicuna_v1": "vicuna:VICUNA_V1",
        "llava_v1": "vicuna:LLAVA_V1",
        "v1_mmtag": "vicuna:V1_MMTAG",
        "v0": "v0:V0",
        "v0_mmtag": "v0:V0_MMTAG",
        "llava_llama_2": "llama_2:LLAVA_LLAMA_2",
        "llava_llama_2_simple": "llama_2:LLAVA_LLAMA_2_SIMPLE",
        "llava_llama_2_mmtag": "llama_2:LLAVA_LLAMA_2_MMTAG",
        "llama_2": "llama_2:LLAMA_2",
        "llama_3": "llama_3:LLAMA_3",
        "mistral_instruct": "mistral:MISTRAL_INSTRUCT",
        "mistral_orca": "chatml:MISTRAL_ORCA",
        "mistral_zephyr": "zephyr:MISTRAL_ZEPHYR",
        "chatml": "chatml:CHATML",
        "mpt": "chatml:MPT",
        "qwen": "qwen:QWEN",
        "qwen_2_5": "qwen:QWEN_2_5",
        "gemma_instruct": "gemma:GEMMA_INSTRUCT",
    },
)
"""``tokenizer`` is the further one that a tokenizer brings along."""

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
        tokenizer: where it is given, the template is fitted to it (the end token of its answers).

    Raises:
        UserError: there is no such template, or ``tokenizer`` is asked for and brings none that can be used.
    """
    if name == TokenizerTemplate.name:
        if tokenizer is None:
            raise UserError("Template 'tokenizer' is the tokenizer's own, and none is loaded here")
        return TokenizerTemplate(tokenizer)
    own = ALIASES.get(name, name)
    if own not in TEMPLATES:
        raise unknown("template", name, [*TEMPLATES, *ALIASES, TokenizerTemplate.name], "template")
    template = TEMPLATES[own]
    return template if tokenizer is None else template.fit(tokenizer)


def choose_template(name: str, tokenizer: PreTrainedTokenizerBase) -> Template:
    """As ``get_template``, for a model that is to be trained so: what does not fit is warned of.

    Raises:
        UserError: as ``get_template``.
    """
    template = get_template(name, tokenizer)
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
    "choose_template",
    "encode",
    "expand",
    "get_template",
    "rendered_text",
]
