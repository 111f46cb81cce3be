"""Pretrain the small Llama-shaped language model on text that miniworld and the templates write."""

from __future__ import annotations

import copy
import logging
import random
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from data_builders.miniworld.backbones import corpus
from data_builders.miniworld.backbones.optimiser import Optimiser
from data_builders.miniworld.backbones.schedule import TrainingLog, cosine_lr
from mmtune.batch import IMAGE_TOKEN_ID
from mmtune.templates.segments import encode, expand

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

SHAPE = {
    "hidden_size": 160,
    "intermediate_size": 432,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": False,
    "attention_bias": True,
    "initializer_range": 0.08,  # one over the root of the width
}
EMBEDDING_STD = 0.7
"""With the usual 0.02, what a token is would drown in the first block's output, and nothing is looked up."""

LR = 3e-3
ATTENTION_BIAS_STD = 0.7
"""Of the biases of queries and keys. Rotary positions turn what all tokens have in common, and without a bias
that is nothing at the start: no head could attend to the token before, whatever it is."""

UNSUPERVISED_WEIGHT = 0.1
"""Weight of the tokens of scenes and questions: mostly chance, they only teach the form of the language."""

Bag = list[int]
"""The tokens of one position: one, or all the words of a patch, whose embeddings are added up."""

Document = tuple[list[Bag], list[bool]]
"""The positions, and which of them belong to an answer."""


def positions(document: corpus.Document, tokenizer: PreTrainedTokenizerBase) -> Document:
    """Tokenise a document; the words of a patch share one position, as its visual token will."""
    told = tokenizer([f" {words}" for words in document.told], add_special_tokens=False)["input_ids"]
    encoded = expand(encode(document.segments, tokenizer), [len(told)])
    patches = iter(told)
    return [next(patches) if i == IMAGE_TOKEN_ID else [i] for i in encoded.ids], encoded.supervised


def build_model(vocab_size: int, *, eos: int, pad: int, seed: int) -> Any:
    """Make the untrained model: Llama layers, rotary positions."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab_size, bos_token_id=None, eos_token_id=eos, pad_token_id=pad, **SHAPE
    )
    model = LlamaForCausalLM(config)
    torch.nn.init.normal_(model.model.embed_tokens.weight, std=EMBEDDING_STD)
    for layer in model.model.layers:
        for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj):
            torch.nn.init.normal_(projection.bias, std=ATTENTION_BIAS_STD)
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


def collate(documents: Sequence[Document], pad: int) -> tuple[list[Bag], Tensor, Tensor]:
    """Right-pad a batch.

    Returns:
        The bags of all positions, document by document; the ids to be told (documents, length - 1); the
        weights of their losses, 0 for what has more than one token and for padding.
    """
    length = max(len(bags) for bags, _ in documents)
    ids = torch.full((len(documents), length), pad)
    weights = torch.zeros(len(documents), length)
    flat: list[Bag] = []
    for row, (bags, answer) in enumerate(documents):
        ids[row, : len(bags)] = torch.tensor([bag[0] for bag in bags])
        weights[row, : len(bags)] = torch.tensor(
            [
                0.0 if len(bag) > 1 else 1.0 if a else UNSUPERVISED_WEIGHT
                for bag, a in zip(bags, answer, strict=True)
            ]
        )
        flat += [*bags, *[[pad]] * (length - len(bags))]
    return flat, ids[:, 1:], weights[:, 1:]


def embed(bags: Sequence[Bag], table: Tensor) -> Tensor:
    """Embed each position: (positions, width), summed over its tokens."""
    offsets = torch.tensor([0, *(len(bag) for bag in bags[:-1])]).cumsum(0)
    flat = torch.tensor([token for bag in bags for token in bag])
    return torch.nn.functional.embedding_bag(flat, table, offsets, mode="sum")


def pretrain(
    model: Any,
    phases: Sequence[tuple[int, Sequence[Document]]],
    *,
    pad: int,
    out: Path,
    save_every: int = 200,
    tokens_per_step: int = 1024,
    lr: float = LR,
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
            bags, ids, weights = collate([documents[i] for i in batch], pad)
            inputs = embed(bags, model.get_input_embeddings().weight).view(len(ids), ids.shape[1] + 1, -1)
            logits = model(inputs_embeds=inputs[:, :-1], use_cache=False).logits
            losses = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), ids.flatten(), reduction="none"
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


def load(model: Any, folder: Path) -> None:
    """Put stored weights into a model of the same shape."""
    from safetensors.torch import load_file

    model.load_state_dict(load_file(folder / "model.safetensors"))


def save(model: Any, folder: Path) -> None:
    """Write the folder that transformers loads, its weights in half precision; the model stays as it is."""
    copy.deepcopy(model).half().save_pretrained(folder)
