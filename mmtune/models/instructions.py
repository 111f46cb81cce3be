"""Instructions for the projector: ids of each image in, embeddings or states of the language model out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mmtune.models import attention
from mmtune.models.projectors.base import Text

FILLER_ID = 0
"""Read where an instruction has no words, and marked as padding; any id of the vocabulary does."""


@torch.no_grad()
def read_instructions(
    language: Any, ids: Tensor, lengths: Sequence[int], *, depth: float, kernel: str
) -> Text:
    """What the language model makes of instructions, without a gradient.

    The gradient stops here on purpose: the embedding table learns from the text that the language model
    itself reads, and a sharded engine meets each layer's backward pass once.

    Args:
        language: a causal language model made by ``load_language``.
        ids: (tokens,) of all instructions end to end.
        lengths: tokens of each instruction; 0 is none, and there is at least one instruction.
        depth: 0 gives the embeddings, 1 the last hidden state, what lies between the state after that share
            of the blocks.
        kernel: attention of packed rows, as in ``LanguageConfig.attention``.

    Returns:
        One row for each instruction, padded to the longest.
    """
    # One filler token stands for no words, so that every rank runs the same layers whatever its images ask.
    filler = ids.new_full((1,), FILLER_ID)
    pieces = [piece if len(piece) else filler for piece in ids.split(list(lengths))]
    runs = [len(piece) for piece in pieces]
    states: Tensor = language.get_input_embeddings()(torch.cat(pieces))
    if depth > 0:
        states = _hidden_states(language, states, tuple(runs), depth, kernel)
    places = torch.arange(max(runs), device=ids.device)
    real = places < torch.tensor(list(lengths), device=ids.device).unsqueeze(1)
    return Text(pad_sequence(list(states.split(runs)), batch_first=True), real)


def _hidden_states(
    language: Any, embeddings: Tensor, lengths: tuple[int, ...], depth: float, kernel: str
) -> Tensor:
    """(tokens, width) states of packed instructions after a share of the decoder's blocks."""
    device = embeddings.device
    positions = torch.cat([torch.arange(length, device=device) for length in lengths])
    chosen = attention.choose_kernel(kernel, device, embeddings.dtype)
    out = language.get_decoder()(
        inputs_embeds=embeddings.unsqueeze(0),
        position_ids=positions.unsqueeze(0),
        use_cache=False,
        output_hidden_states=True,
        **attention.packed_arguments(lengths, chosen, device),
    )
    layers = len(out.hidden_states) - 1
    state: Tensor = out.hidden_states[round(depth * layers)][0]
    return state
