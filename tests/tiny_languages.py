"""A tiny random causal language model of every family that the tests prove, beside those of tiny_models."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.tiny_models import llama_style_tokenizer, tiny_llama, tiny_qwen2, tiny_qwen3

_SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "initializer_range": 0.2,
    "max_position_embeddings": 512,
}
_NO_HEAD_WIDTH = {key: value for key, value in _SHAPE.items() if key != "head_dim"}
WINDOW = 8
"""Of the families with sliding windows; shorter than one tiny image and its question."""

_FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mistral": ("MistralConfig", "MistralForCausalLM", _SHAPE | {"sliding_window": WINDOW}),
    "gemma": ("GemmaConfig", "GemmaForCausalLM", _SHAPE),
    "gemma2": (
        "Gemma2Config",
        "Gemma2ForCausalLM",
        _SHAPE | {"sliding_window": WINDOW, "attn_logit_softcapping": 2.0, "query_pre_attn_scalar": 8},
    ),
    "gemma3": (
        "Gemma3TextConfig",
        "Gemma3ForCausalLM",
        _SHAPE
        | {
            "sliding_window": WINDOW,
            "layer_types": ["sliding_attention", "full_attention"],
            "query_pre_attn_scalar": 8,
        },
    ),
    "phi": ("PhiConfig", "PhiForCausalLM", _NO_HEAD_WIDTH),
    "phi3": ("Phi3Config", "Phi3ForCausalLM", _NO_HEAD_WIDTH),
    "gpt2": (
        "GPT2Config",
        "GPT2LMHeadModel",
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512, "initializer_range": 0.2},
    ),
    "falcon": (
        "FalconConfig",
        "FalconForCausalLM",
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    ),
}
MAKERS = {"llama": tiny_llama, "qwen2": tiny_qwen2, "qwen3": tiny_qwen3}
_REFUSED = {"falcon", *(("gpt2",) if version("transformers").startswith("5.2.") else ())}
PROVEN = (*MAKERS, *(family for family in _FAMILIES if family not in _REFUSED))
"""Families that can be packed; the GPT-2 of transformers 5.2 hands no keyword arguments on to its attention."""


def tiny_language(folder: Path, family: str, *, seed: int = 3, **changes: Any) -> Path:
    """Save a tiny model of a family with a tokenizer.

    Args:
        folder: gets the files.
        family: one of ``PROVEN``, or ``falcon``.
        seed: of the weights.
        changes: settings of its configuration.
    """
    import torch
    import transformers

    if family in MAKERS:
        return Path(MAKERS[family](folder, seed=seed, **changes))
    config_name, model_name, shape = _FAMILIES[family]
    tokenizer = llama_style_tokenizer(Path(folder))
    roles = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    settings = {"vocab_size": len(tokenizer), "pad_token_id": None, **roles, **shape, **changes}
    config = getattr(transformers, config_name)(**settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        getattr(transformers, model_name)(config).float().save_pretrained(folder)
    return Path(folder)
