"""Pretrain the small Llama-shaped language model on text that miniworld and the templates write."""

from __future__ import annotations

import copy
import logging
import random
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data_builders.miniworld.backbones.optimiser import Optimiser
from data_builders.miniworld.backbones.schedule import TrainingLog, cosine_lr

log = logging.getLogger(__name__)

SHAPE = {
    "hidden_size": 160,
    "intermediate_size": 432,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": False,
    "initializer_range": 0.08,  # one over the root of the width
}
EMBEDDING_STD = 0.7
"""With the usual 0.02, what a token is would drown in the first block's output, and nothing is looked up."""

UNSUPERVISED_WEIGHT = 0.1
"""Weight of the tokens of scenes and questions: mostly chance, they only teach the form of the language."""

Document = tuple[list[int], list[bool]]
"""Token ids, and which of them belong to an answer."""


def build_model(vocab_size: int, *, eos: int, pad: int, seed: int) -> Any:
    """Make the untrained model: Llama layers, rotary positions, tied embeddings."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab_size, bos_token_id=None, eos_token_id=eos, pad_token_id=pad, **SHAPE
    )
    model = LlamaForCausalLM(config)
    torch.nn.init.normal_(model.model.embed_tokens.weight, std=EMBEDDING_STD)
    return model


def length_batches(documents: Sequence[Document], tokens: int, seed: int) -> list[list[int]]:
    """Group documents of like length into batches of about ``tokens`` tokens, in a seeded order."""
    rng = random.Random(seed)
    order = sorted(range(len(documents)), key=lambda i: (len(documents[i][0]), rng.random()))
    batches: list[list[int]] = []
    batch: list[int] = []
    for index in order:
        longest = len(documents[index][0])
        if batch and longest * (len(batch) + 1) > tokens:
            batches.append(batch)
            batch = []
        batch.append(index)
    if batch:
        batches.append(batch)
    rng.shuffle(batches)
    return batches


def collate(documents: Sequence[Document], pad: int) -> tuple[Tensor, Tensor]:
    """Right-pad into ids (documents, length) and the weights of next-token losses (documents, length - 1)."""
    length = max(len(ids) for ids, _ in documents)
    ids = torch.full((len(documents), length), pad)
    weights = torch.zeros(len(documents), length)
    for row, (tokens, answer) in enumerate(documents):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        weights[row, : len(tokens)] = torch.tensor([1.0 if a else UNSUPERVISED_WEIGHT for a in answer])
    return ids, weights[:, 1:]


def pretrain(
    model: Any,
    phases: Sequence[tuple[int, Sequence[Document]]],
    *,
    pad: int,
    out: Path,
    save_every: int = 200,
    tokens_per_step: int = 3072,
    lr: float = 3e-3,
    seed: int = 0,
) -> None:
    """Train ``model`` in place; the curve goes to ``out/training.jsonl``, the weights to ``out`` as it goes.

    Attention is causal, so tokens after a document's end cannot reach it and right padding needs no mask.

    Args:
        model: a causal language model.
        phases: (optimiser steps, documents to draw them from), in order.
        pad: id of the padding token.
        out: folder of the log and the weights.
        save_every: steps between two saves.
        tokens_per_step: about so many.
        lr: peak learning rate; it falls over all phases.
        seed: of the order.
    """
    steps = sum(number for number, _ in phases)
    optimiser = Optimiser(model.model.layers, model.parameters(), lr, weight_decay=0.01)
    curve = TrainingLog(out / "training.jsonl", every=20)
    step = 0
    model.train()
    for number, documents in phases:
        for batch in islice(_endless(documents, tokens_per_step, seed), number):
            ids, weights = collate([documents[i] for i in batch], pad)
            logits = model(input_ids=ids[:, :-1], use_cache=False).logits
            losses = torch.nn.functional.cross_entropy(
                logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1), reduction="none"
            ).view_as(weights)
            loss = (losses * weights).sum() / weights.sum()
            loss.backward()
            optimiser.step(cosine_lr(step, steps, lr, warmup=100))
            with torch.no_grad():
                answer = weights == 1.0
                answer_loss = float((losses * answer).sum() / answer.sum().clamp(min=1))
            step += 1
            curve.add(step, loss=float(loss.detach()), answer_loss=answer_loss)
            if step % save_every == 0 or step == steps:
                save(model, out)
    curve.close()


def _endless(documents: Sequence[Document], tokens: int, seed: int) -> Iterator[list[int]]:
    for epoch in count(seed):
        yield from length_batches(documents, tokens, epoch)


def save(model: Any, folder: Path) -> None:
    """Write the folder that transformers loads, its weights in half precision; the model stays as it is."""
    copy.deepcopy(model).half().save_pretrained(folder)
