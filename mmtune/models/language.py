"""The language model: any causal language model of transformers, with its tokenizer."""

from __future__ import annotations

import logging
import os
from typing import Any

import torch

from mmtune.errors import UserError
from mmtune.models import attention
from mmtune.models.config import LanguageConfig
from mmtune.models.files import find_file
from mmtune.models.isolation import check_isolation
from mmtune.models.new_tokens import add_tokens, ids_of
from mmtune.models.pretrained import first_line, load_pretrained

log = logging.getLogger(__name__)

DTYPES: dict[str, Any] = {"float32": torch.float32, "bfloat16": torch.bfloat16, "auto": "auto"}
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
_SAMPLING = {"temperature": 1.0, "top_p": 1.0, "top_k": 50, "min_p": None, "typical_p": 1.0}
"""Settings that only sampling reads, with the value that means nothing."""
_PACKABLE = {"full_attention", "sliding_attention"}
"""Kinds of layers that keep the documents of a packed row apart; the others are not told where they end."""


def load_language(config: LanguageConfig, *, meta: bool = False) -> tuple[Any, Any]:
    """A causal language model and its tokenizer.

    Args:
        config: folder or hub name, dtype.
        meta: build from the configuration alone, without weights, on the meta device.

    Returns:
        The transformers model, with packed attention installed, and its tokenizer.

    Raises:
        UserError: if the model or its tokenizer is missing or damaged, if they do not fit each other, or if
            the model's attention is of a kind that packed rows do not support.
    """
    from transformers import AutoModelForCausalLM

    settings = _settings(config.name)
    tokenizer = load_tokenizer(config.name)
    if meta:
        dtype = torch.bfloat16 if config.dtype == "auto" else DTYPES[config.dtype]
        model = empty_language(config.name, dtype)
    else:
        empty_language(config.name)  # whose attention cannot be set says so before weights are read
        model = load_pretrained(
            AutoModelForCausalLM,
            config.name,
            "language model",
            config=settings,
            dtype=DTYPES[config.dtype],
            attn_implementation=attention.ATTENTION,
        )
    prepare_language(model, tokenizer, config.name)
    if config.add_tokens:
        add_tokens(model, tokenizer, config.add_tokens)
    if not meta:
        check_isolation(model, config.name)
    return model, tokenizer


def empty_language(name: str, dtype: torch.dtype = torch.float32) -> Any:
    """The language model of a folder or hub name on the meta device, from its configuration alone.

    Raises:
        UserError: if the configuration is missing, unreadable or of an unsupported model.
    """
    from transformers import AutoModelForCausalLM

    settings = _settings(name)
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(
                settings, dtype=dtype, attn_implementation=attention.ATTENTION
            )
        model.tie_weights()  # transformers 5.0 leaves this out on the meta device
        return model
    except KeyError as error:
        raise _own_attention(error, name) from error
    except (ValueError, RuntimeError, TypeError, AssertionError) as error:
        raise UserError(f"the language model cannot be built: {first_line(error)}", name) from error


def _own_attention(error: KeyError, name: str) -> UserError:
    """The error for a family that looks its attention up in a table of its own (Falcon, GPT-J)."""
    if error.args[:1] != (attention.ATTENTION,):
        return UserError(f"the language model cannot be built: {error} is missing", name)
    return UserError(
        "this language model's attention is of its own making, so that records of one packed row would see"
        " each other",
        name,
        "choose a model whose layers use transformers' attention interface, as Llama, Qwen, Gemma or Phi",
    )


def _settings(name: str) -> Any:
    """The configuration of a causal language model whose attention can be packed."""
    from transformers import AutoConfig

    attention.register()
    if find_file(name, "config.json") is None:
        raise UserError("the language model has no config.json", name, "give a transformers model folder")
    try:
        settings = AutoConfig.from_pretrained(os.path.expanduser(name))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"the language model's config cannot be read: {first_line(error)}", name) from error
    _check_attention(settings, name)
    return settings


def load_tokenizer(name: str) -> Any:
    """The tokenizer of a folder or hub name, with a pad token where that needs no new vocabulary.

    Raises:
        UserError: if there is none or it cannot be read.
    """
    from transformers import AutoTokenizer

    # Some versions of transformers answer with an empty tokenizer where there is none.
    if all(find_file(name, file) is None for file in _TOKENIZER_FILES):
        raise UserError("there is no tokenizer", name, "keep the tokenizer's files beside the model's")
    try:
        tokenizer = AutoTokenizer.from_pretrained(os.path.expanduser(name))
    except (OSError, ValueError, KeyError, ImportError, TypeError) as error:
        raise UserError(
            f"the tokenizer cannot be loaded: {first_line(error)}",
            name,
            "keep the tokenizer's files in that folder",
        ) from error
    if tokenizer.pad_token_id is None:
        # Padding is only ever told by lengths and masks, never by its id, so that any token serves.
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def prepare_language(model: Any, tokenizer: Any, source: str) -> None:
    """Check a model against its tokenizer and disarm what is known to fail later.

    Args:
        model: a causal language model.
        tokenizer: its tokenizer.
        source: where they come from, for messages.

    Raises:
        UserError: if the tokenizer has ids that the model has no embedding for, or no end-of-sequence token.
    """
    embedding = model.get_input_embeddings()
    rows, ids = embedding.weight.shape[0], ids_of(tokenizer)
    if ids > rows:
        raise UserError(
            f"the tokenizer has ids up to {ids - 1}, the language model only {rows} embeddings",
            source,
            "use the tokenizer that the model was trained with",
        )
    if tokenizer.eos_token_id is None:
        raise UserError(
            "the tokenizer has no end-of-sequence token", source, "set eos_token in tokenizer_config.json"
        )
    # With pad == eos the embedding of the real end of sequence would never get a gradient.
    embedding.padding_idx = None
    _mend_generation_config(model)


def _mend_generation_config(model: Any) -> None:
    """Make the generation settings consistent, as transformers refuses to save inconsistent ones.

    Vicuna's say ``temperature`` without ``do_sample``: its training runs crashed at the very last save.
    """
    settings = getattr(model, "generation_config", None)
    if settings is None or getattr(settings, "do_sample", False):
        return
    for name, neutral in _SAMPLING.items():
        if getattr(settings, name, None) not in (None, neutral):
            log.info("generation_config sets %s without do_sample: sampling is switched on there", name)
            settings.do_sample = True
            return


def _check_attention(settings: Any, source: str) -> None:
    """Refuse layers that no kernel here stands for: chunks, state spaces, convolutions."""
    text = settings.get_text_config()
    # The lists of hybrid models have had two names in transformers.
    kinds = getattr(text, "layer_types", None) or getattr(text, "layers_block_type", None) or []
    if odd := sorted({str(kind) for kind in kinds} - _PACKABLE):
        raise UserError(
            f"this language model has layers of the kind {odd[0]}, in which packed rows are not supported",
            source,
            f"choose a model whose layers are all {' or '.join(sorted(_PACKABLE))}",
        )
