"""The transformer blocks of a language model, whatever its family calls them."""

from __future__ import annotations

from typing import Any

from torch import nn

from mmtune.errors import UserError


def decoder_of(language: Any) -> Any:
    """The language model without its head."""
    return language.get_decoder() if hasattr(language, "get_decoder") else language.base_model


def decoder_layers(language: Any) -> list[nn.Module]:
    """The blocks of a causal language model, in order (``layers`` in Llama, ``h`` in GPT-2).

    Raises:
        UserError: if it has no list of as many modules as its configuration says.
    """
    wanted = language.config.get_text_config().num_hidden_layers
    for module in decoder_of(language).modules():
        if isinstance(module, nn.ModuleList) and len(module) == wanted:
            return list(module)
    raise UserError(
        f"the language model has no list of its {wanted} layers",
        type(language).__name__,
        "choose a decoder-only model of transformers",
    )
