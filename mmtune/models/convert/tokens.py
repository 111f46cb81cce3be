"""The two tokens that Hub checkpoints of LLaVA add to a tokenizer: ``<image>`` and ``<pad>``."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

IMAGE, PAD = "<image>", "<pad>"
MULTIPLE = 64
"""Rows of embeddings that have to grow are made a multiple of this."""


def with_tokens(tokenizer: Any) -> tuple[Any, list[str]]:
    """A copy of a tokenizer that knows ``<image>``, and ``<pad>`` where it has no padding token of its own.

    Returns:
        The copy and the tokens that are new in it, in the order of their ids.
    """
    from tokenizers import AddedToken

    copy = _reloaded(tokenizer, lambda folder: None)
    added = []
    if IMAGE not in copy.get_vocab():
        copy.add_tokens([AddedToken(IMAGE, special=True, normalized=False)], special_tokens=True)
        added.append(IMAGE)
    # Padding with the end token would hide it from whoever trains on; with <unk> nothing tells the two apart.
    if copy.pad_token is None or copy.pad_token in (copy.eos_token, copy.unk_token):
        if PAD not in copy.get_vocab():
            copy.add_tokens([AddedToken(PAD, special=True, normalized=False)], special_tokens=True)
            added.append(PAD)
        copy.pad_token = PAD
    copy.padding_side = "left"
    return copy, added


def without_tokens(tokenizer: Any, names: Collection[str]) -> Any:
    """A copy of a tokenizer that does not know some added tokens; they are spelt out again."""
    if not any(name in tokenizer.get_added_vocab() for name in names):
        return tokenizer

    def drop(folder: Path) -> None:
        for file in (
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
        ):
            if (folder / file).is_file():
                content = json.loads((folder / file).read_text(encoding="utf-8"))
                (folder / file).write_text(json.dumps(_without(content, names)), encoding="utf-8")

    copy = _reloaded(tokenizer, drop)
    if copy.pad_token is None:
        copy.pad_token = copy.unk_token or copy.eos_token
    copy.padding_side = "right"
    return copy


def _reloaded(tokenizer: Any, change: Any) -> Any:
    from transformers import AutoTokenizer

    with TemporaryDirectory() as place:
        tokenizer.save_pretrained(place)
        change(Path(place))
        copy = AutoTokenizer.from_pretrained(place)
    copy.name_or_path = tokenizer.name_or_path
    return copy


def _without(content: Any, names: Collection[str]) -> Any:
    """A tokenizer's file without every mention of some added tokens."""
    if isinstance(content, Mapping):
        return {
            key: _without(value, names)
            for key, value in content.items()
            if key not in names and not _mentions(value, names)
        }
    if isinstance(content, list):
        return [_without(value, names) for value in content if not _mentions(value, names)]
    return content


def _mentions(value: Any, names: Collection[str]) -> bool:
    return (isinstance(value, str) and value in names) or (
        isinstance(value, Mapping) and value.get("content") in names
    )


def rows_needed(tokens: int, rows: int) -> int:
    """Rows of embeddings for so many tokens, where there are ``rows`` of them now."""
    return rows if tokens <= rows else -(-tokens // MULTIPLE) * MULTIPLE


def grown(tensor: Tensor, rows: int) -> Tensor:
    """Embeddings with further rows, each the mean of the old ones: no token is likelier than before.

    Args:
        tensor: (old rows, width), or (old rows,) for a bias.
        rows: how many there shall be.
    """
    if tensor.shape[0] >= rows:
        return tensor
    mean = tensor.to(torch.float32).mean(dim=0, keepdim=True).to(tensor.dtype)
    return torch.cat([tensor, mean.expand(rows - tensor.shape[0], *tensor.shape[1:])])
