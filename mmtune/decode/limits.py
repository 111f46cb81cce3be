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


def sliding_window(text_config: Any) -> int | None:
    """Tokens that the model's narrowest attention sees; None if all see everything.

    Raises:
        UserError: for a model whose memory is not a cache of keys and values.
    """
    kinds = set(getattr(text_config, "layer_types", None) or ())
    strange = kinds - {"full_attention", "sliding_attention"}
    if strange:
        raise UserError(
            f"the language model has layers of the kind {', '.join(sorted(strange))}, "
            "which cannot be decoded in batches",
            fix="use a model with full or sliding-window attention",
        )
    window = getattr(text_config, "sliding_window", None)
    if window is None or (kinds and "sliding_attention" not in kinds):
        return None
    return int(window)
