"""A trial at loading: whether the documents of a packed row are strangers to each other inside a model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmtune.errors import UserError
from mmtune.models.attention import packed_arguments
from mmtune.models.layers import decoder_layers, decoder_of
from mmtune.models.pretrained import first_line

_LENGTH = 4
"""Tokens of each of the two documents; convolutions over time reach back about as far."""
_TOLERANCE = 0.02
"""Of the largest activation: experts may add up in another order, a leak changes everything."""


class _Reached(Exception):  # noqa: N818 (no error)
    """Ends the trial: the layers behind are of kinds that it has seen."""


def check_isolation(language: Any, source: str) -> None:
    """Run two short documents as one row, change the first, and compare what comes out at the second.

    Only attention is told where documents end, so that a model with layers that mix tokens in another way
    (state spaces, linear attention, convolutions) would train on records that see each other, without any
    error. The trial stops once a layer of every kind has run, which for most models is the very first.

    Args:
        language: a causal language model with packed attention installed, with weights.
        source: where it comes from, for messages.

    Raises:
        UserError: if the second document changes with the first, or the model takes no packed row.
    """
    rows = language.get_input_embeddings().weight.shape[0]
    tokens = torch.arange(3 * _LENGTH) % rows
    first, other, second = tokens.split(_LENGTH)
    try:
        one, two = (_second_document(language, torch.cat([start, second])) for start in (first, other))
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise UserError(
            f"this language model cannot run a packed row: {first_line(error)}",
            source,
            "choose a model whose layers all use transformers' attention interface",
        ) from error
    if (one - two).abs().max() > _TOLERANCE * one.abs().max():
        raise UserError(
            "this language model has layers in which the records of a packed row would see each other",
            source,
            "choose a model whose layers mix tokens by attention only",
        )


@torch.no_grad()
def _second_document(language: Any, ids: Tensor) -> Tensor:
    """What comes out at the second half of a row, (tokens, width) float32."""
    decoder, layers = decoder_of(language), decoder_layers(language)
    kinds = [_kind(layer) for layer in layers]
    enough = max(kinds.index(kind) for kind in kinds)
    seen: list[Tensor] = []

    def stop(_module: nn.Module, _inputs: Any, output: Any) -> None:
        seen.append(output if isinstance(output, Tensor) else output[0])
        raise _Reached

    device = ids.device
    training = language.training
    hook = layers[enough].register_forward_hook(stop)
    language.eval()
    try:
        decoder(
            input_ids=ids[None],
            position_ids=(torch.arange(2 * _LENGTH, device=device) % _LENGTH)[None],
            use_cache=False,
            **packed_arguments((_LENGTH, _LENGTH), "sdpa", device),
        )
    except _Reached:
        pass
    finally:
        hook.remove()
        language.train(training)
    return seen[0].reshape(2 * _LENGTH, -1)[_LENGTH:].float()


def _kind(layer: nn.Module) -> tuple[str, ...]:
    return tuple(type(module).__name__ for module in layer.modules())
