"""What a model finds of single records: their loss, difficulty, hidden states and gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmtune.batch import IGNORE, PackedBatch
from mmtune.data.prepare import RecordEncoder, Sample
from mmtune.data.rows import ImageDecoder, Row, collate
from mmtune.models.bundle import Bundle
from mmtune.records import Record
from mmtune.templates import get_template
from mmtune.train.moments import Moments
from mmtune.train.objectives.sft import supervised_sum

GRADIENT_WIDTH = 1024
"""Numbers that a gradient is projected to."""


class RecordScorer:
    """Looks at records through a model, one at a time.

    Args:
        bundle: the model, as a checkpoint or a recipe gives it.
        device: where it runs.
        max_tokens: the longest record accepted.
        moments: folder of the checkpoint by whose moments of Adam gradients are scaled; None leaves them as
            they are.

    Raises:
        UserError: that checkpoint keeps no moments of what tuning would move.
    """

    def __init__(
        self, bundle: Bundle, device: str = "cpu", max_tokens: int = 4096, moments: Path | None = None
    ) -> None:
        self.model = bundle.model.to(device).eval()
        self.policy = bundle.policy
        self.device = device
        template = get_template(bundle.template, bundle.tokenizer)
        self.encoder = RecordEncoder(bundle.tokenizer, template, bundle.policy, max_tokens)
        self.encoder.instructions = self.model.projector.reads_text
        self._moments = None if moments is None else Moments.load(moments, self._learning())

    def loss(self, record: Record, root: Path) -> float:
        """Mean cross-entropy of the supervised tokens.

        Raises:
            RecordError: the record cannot be trained on.
            ImageError: an image cannot be used.
        """
        with torch.inference_mode():
            return self._mean_loss(self._batch(self.encoder.encode(record, root)))

    def difficulty(self, record: Record, root: Path) -> float:
        """Loss of the answers in their conversation over their loss alone: what the question leaves open.

        Alone, an answer follows nothing but the one token before it, and no image.

        Source: the instruction-following difficulty of Li et al., "From quantity to quality".

        Raises:
            RecordError: the record cannot be trained on.
            ImageError: an image cannot be used.
        """
        sample = self.encoder.encode(record, root)
        with torch.inference_mode():
            alone = self._mean_loss(_answers_alone(sample).to(self.device))
            return self._mean_loss(self._batch(sample)) / max(alone, 1e-6)

    def hidden(self, record: Record, root: Path) -> NDArray[np.float32]:
        """(width,) mean of the last hidden states, each weighted by its position.

        Source: RDS+ of Ivison et al., "Large-scale data selection for instruction tuning".

        Raises:
            RecordError: the record cannot be trained on.
            ImageError: an image cannot be used.
        """
        batch = self._batch(self.encoder.encode(record, root))
        with torch.inference_mode(), _last_states(self.model.language) as states:
            self.model(batch)
        weights = torch.arange(1, states[-1].shape[1] + 1, device=states[-1].device, dtype=torch.float32)
        mean = (states[-1][0].float() * weights[:, None]).sum(0) / weights.sum()
        return mean.cpu().numpy()

    def gradient(self, record: Record, root: Path, width: int = GRADIENT_WIDTH) -> NDArray[np.float32]:
        """(width,) gradient of the mean loss by the adapters' weights, or by the projector's without any.

        It is projected by a count sketch (each number is added to a place, with a sign, both fixed by a
        seed), which keeps inner products on average as a random matrix does, without one.

        Where the scorer has ``moments``, it is what Adam would make of the gradient.

        Source: LESS (Xia et al.), which scales the gradients of rows by Adam's moments, and those of the
        examples that are wanted not.

        Raises:
            RecordError: the record cannot be trained on.
            ImageError: an image cannot be used.
        """
        batch = self._batch(self.encoder.encode(record, root))
        learning = self._learning()
        chosen = list(learning.values())
        before = [parameter.requires_grad for parameter in self.model.parameters()]
        try:
            self.model.requires_grad_(False)
            for parameter in chosen:
                parameter.requires_grad_(True)
            tokens = int((batch.targets != IGNORE).sum())
            gradients = torch.autograd.grad(
                supervised_sum(self.model, batch) / tokens, chosen, allow_unused=True
            )
        finally:
            for parameter, flag in zip(self.model.parameters(), before, strict=True):
                parameter.requires_grad_(flag)
        if (moments := self._moments) is not None:
            gradients = tuple(
                None if one is None else moments.update(name, one)
                for name, one in zip(learning, gradients, strict=True)
            )
        return _sketch(gradients, width)

    def _learning(self) -> dict[str, nn.Parameter]:
        """What tuning would move, by name: the adapters' weights, else the projector's."""
        from mmtune.models.adapters import naming

        parts = self.model.parts().values()
        added = [one for part in parts for one in naming.adapter_parameters(part)]
        name_of = {parameter: name for name, parameter in self.model.named_parameters()}
        return {name_of[one]: one for one in added or self.model.projector.parameters()}

    def _batch(self, sample: Sample) -> PackedBatch:
        images = ImageDecoder(self.policy).images(sample)
        return collate(Row((sample,), (images,)), self.policy).to(self.device)

    def _mean_loss(self, batch: PackedBatch) -> float:
        tokens = int((batch.targets != IGNORE).sum())
        return float(supervised_sum(self.model, batch)) / tokens


def _answers_alone(sample: Sample) -> PackedBatch:
    """Each answer as a document of its own, behind the one token that comes before it."""
    learned = np.flatnonzero(sample.targets != IGNORE)
    runs = np.split(learned, np.flatnonzero(np.diff(learned) > 1) + 1)
    ids = [np.append(sample.ids[run], sample.targets[run[-1]]) for run in runs]
    # An image's place holds no word to begin with; any word does.
    ids = [np.where(one < 0, 0, one) for one in ids]
    targets = [np.append(sample.targets[run], IGNORE) for run in runs]
    lengths = tuple(len(one) for one in ids)
    empty = PackedBatch.empty(0, 1)
    return PackedBatch(
        input_ids=torch.from_numpy(np.concatenate(ids)),
        position_ids=torch.cat([torch.arange(length) for length in lengths]),
        targets=torch.from_numpy(np.concatenate(targets)),
        document_lengths=lengths,
        pixels=empty.pixels,
        image_views=(),
        image_sizes=(),
        image_token_counts=(),
        record_ids=tuple(sample.record_id for _ in lengths),
    )


@contextmanager
def _last_states(language: Any) -> Iterator[list[Tensor]]:
    """Collects the last hidden states, (1, tokens, width), of every forward pass inside the block."""
    found: list[Tensor] = []

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        found.append(output[0])

    handle = language.base_model.register_forward_hook(keep)
    try:
        yield found
    finally:
        handle.remove()


def _sketch(gradients: tuple[Tensor | None, ...], width: int) -> NDArray[np.float32]:
    total = torch.zeros(width)
    for number, gradient in enumerate(gradients):
        if gradient is None:
            continue
        flat = gradient.detach().float().cpu().flatten()
        generator = torch.Generator().manual_seed(1000 + number)
        places = torch.randint(width, (len(flat),), generator=generator)
        signs = torch.randint(2, (len(flat),), generator=generator) * 2 - 1
        total.index_add_(0, places, flat * signs)
    return total.numpy()
