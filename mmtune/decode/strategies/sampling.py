"""Sampling with a temperature from the nucleus of the distribution."""

from __future__ import annotations

import torch
from torch import Tensor

from mmtune.decode.requests import Settings
from mmtune.decode.strategies.base import Step
from mmtune.errors import UserError


class Sampling:
    """Samples from the smallest set of tokens that holds ``top_p`` of the probability.

    The row's own draw picks the token by the inverse of the cumulative distribution, so a seeded answer does
    not depend on the batch that it was generated in.

    Source: nucleus sampling, Holtzman et al. 2020.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.temperature <= 0:
            raise UserError("Sampling needs a temperature above 0", fix="set one, or use greedy")
        self.temperature = settings.temperature
        self.top_p = settings.top_p

    def choose(self, step: Step) -> Tensor:
        """Ids of the next tokens, (rows,) int64."""
        probabilities = torch.softmax(step.logits / self.temperature, dim=-1)
        sorted_probabilities, ids = probabilities.sort(dim=-1, descending=True, stable=True)
        cumulative = sorted_probabilities.cumsum(dim=-1)
        # A token belongs to the nucleus if those before it do not fill it; the first always does.
        inside = (cumulative - sorted_probabilities) < self.top_p
        mass = (sorted_probabilities * inside).sum(dim=-1)
        place = torch.searchsorted(cumulative, (step.draws * mass).unsqueeze(-1), right=True)
        # Rounding of the cumulative sum must not point behind the nucleus.
        place = torch.minimum(place, inside.sum(dim=-1, keepdim=True) - 1)
        return ids.gather(-1, place).squeeze(-1)
