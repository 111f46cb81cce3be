"""What a language model's own settings say about decoding with it."""

from __future__ import annotations

from typing import Any

from mmtune.errors import UserError


def eos_ids(language: Any) -> list[int]:
    """Ids that end a text by the model's generation settings."""
    ids = getattr(getattr(language, "generation_config", None), "eos_token_id", None)
    if ids is None:
        return []
    return [ids] if isinstance(ids, int) else list(ids)


def check_layers(text_config: Any) -> None:
    """Refuse a model whose memory is not one of keys and values for each token.

    Raises:
        UserError: for layers of any other kind than full or sliding-window attention.
    """
    kinds = set(getattr(text_config, "layer_types", None) or ())
    if strange := kinds - {"full_attention", "sliding_attention"}:
        raise UserError(
            f"the language model has layers of the kind {', '.join(sorted(strange))}, "
            "which cannot be decoded in batches",
            fix="use a model with full or sliding-window attention",
        )
