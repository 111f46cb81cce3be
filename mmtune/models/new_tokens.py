"""New special tokens: rows for them in embedding and head, that start as the mean of what is there."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

log = logging.getLogger(__name__)


def add_tokens(model: Any, tokenizer: Any, tokens: Sequence[str]) -> list[int]:
    """Give a tokenizer special tokens, and a model embeddings and logits for them.

    A vocabulary that is padded has rows to spare; these are used before the tables grow, and a table that
    grows stays a multiple of what it was padded to. A fresh random row would be far from all others, so that
    the first steps would learn its size instead of its meaning; the mean is where nothing is said yet.

    Args:
        model: a causal language model, real or on the meta device; tied heads stay tied.
        tokenizer: its tokenizer; tokens that it has already stay as they are.
        tokens: as they stand in text.

    Returns:
        Ids of all the tokens, in order.
    """
    known = sorted(tokenizer.get_vocab().values())
    tokenizer.add_tokens(list(tokens), special_tokens=True)
    ids = [int(i) for i in tokenizer.convert_tokens_to_ids(list(tokens))]
    rows, needed = model.get_input_embeddings().weight.shape[0], ids_of(tokenizer)
    if needed > rows:
        size = -(-needed // _padding(rows)) * _padding(rows)
        model.resize_token_embeddings(size, mean_resizing=False)
        model.get_input_embeddings().padding_idx = None
        model.tie_weights()
    if fresh := sorted(set(ids) - set(known)):
        _start_at_mean(model, known, fresh)
        log.info("%d new tokens in the vocabulary, their embeddings are the mean of all", len(fresh))
    return ids


def ids_of(tokenizer: Any) -> int:
    """Rows that a tokenizer needs: its highest id and one.

    ``len`` counts its tokens, which are fewer where ids are left out between them.
    """
    return max(tokenizer.get_vocab().values(), default=-1) + 1


def _padding(rows: int) -> int:
    """The largest power of two up to 64 that a vocabulary of so many rows is a multiple of."""
    return min(64, rows & -rows)


@torch.no_grad()
def _start_at_mean(model: Any, known: Sequence[int], fresh: Sequence[int]) -> None:
    """Set the rows of new ids, in embedding and untied head, to the mean of those that were known.

    The rows of a padded vocabulary behind all known ones are set, too; nobody has ever learnt them.
    """
    tables: list[Tensor] = [model.get_input_embeddings().weight]
    head = model.get_output_embeddings()
    if head is not None:
        if head.weight is not tables[0]:
            tables.append(head.weight)
        if getattr(head, "bias", None) is not None:
            tables.append(head.bias)
    for table in tables:
        mean = table[torch.tensor(known, device=table.device)].float().mean(0).to(table.dtype)
        table[known[-1] + 1 :] = mean
        table[torch.tensor(fresh, device=table.device)] = mean
