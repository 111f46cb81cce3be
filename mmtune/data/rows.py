"""One rank's share of a step: packed rows with 8-bit pixels, small enough to cross from worker to trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mmtune.batch import PackedBatch
from mmtune.data.prepare import Sample
from mmtune.images.decoding import ImageError
from mmtune.images.loading import load_image
from mmtune.images.policies import ImagePolicy
from mmtune.images.video import load_frames
from mmtune.records import ImageRef

FILLER_ID = 0
"""The one token of a row without records; any id of the vocabulary does, since nothing is learnt from it."""


@dataclass(frozen=True)
class DecodedImage:
    """An image as the tower will see it, before normalising."""

    views: np.ndarray
    """(views, 3, size, size) uint8."""
    size: tuple[int, int]
    """(width, height) of the upright image in its own pixels."""


@dataclass(frozen=True)
class Row:
    """Samples of one packed row with their images.

    NumPy arrays rather than tensors: they travel through the worker's pipe, and not through shared memory,
    which containers often limit to 64 MB.
    """

    samples: tuple[Sample, ...]
    images: tuple[tuple[DecodedImage, ...], ...]
    """The images of each sample."""


class ImageDecoder:
    """Decodes images for the rows of one step, each file once.

    Args:
        policy: makes the views.
    """

    def __init__(self, policy: ImagePolicy) -> None:
        self.policy = policy
        self._decoded: dict[tuple[Path, ImageRef], DecodedImage | ImageError] = {}

    def images(self, sample: Sample) -> tuple[DecodedImage, ...]:
        """The images of a sample.

        Raises:
            ImageError: if one cannot be used.
        """
        return tuple(self._image(sample, place) for place in range(len(sample.images)))

    def _image(self, sample: Sample, place: int) -> DecodedImage:
        root, ref = sample.image_root, sample.images[place]
        if (root, ref) not in self._decoded:
            self._decode(root, ref, sample.images)
        decoded = self._decoded[root, ref]
        if isinstance(decoded, ImageError):
            raise decoded
        expected = sample.image_token_counts[place]
        if self.policy.token_count(*decoded.size, frame=ref.frame is not None) != expected:
            raise ImageError("the image changed size while the row was planned", ref.path)
        return decoded

    def _decode(self, root: Path, ref: ImageRef, others: Sequence[ImageRef]) -> None:
        """Decode an image, or all frames of its video at once: a video is read from its start."""
        is_frame = ref.frame is not None
        refs = [ref]
        if is_frame:
            same = {other for other in others if other.path == ref.path and other.frame is not None}
            refs = sorted(same, key=lambda other: other.frame or 0)
        try:
            images = load_frames(root, refs) if is_frame else [load_image(root, ref)]
        except ImageError as error:
            self._decoded.update(((root, one), error) for one in refs)
            return
        for one, image in zip(refs, images, strict=True):
            views = self.policy.views(image, frame=is_frame).numpy()
            self._decoded[root, one] = DecodedImage(views, image.size)


def collate(row: Row, policy: ImagePolicy) -> PackedBatch:
    """Lay the samples of a row end to end.

    Args:
        row: the samples and their images; may be empty.
        policy: normalises the pixels.

    Returns:
        The packed row; one unsupervised token where there are no samples.
    """
    side = policy.geometry.size
    if not row.samples:
        return PackedBatch.empty(FILLER_ID, side)
    images = [image for of_sample in row.images for image in of_sample]
    if images:
        pixels = policy.normalise(torch.from_numpy(_joined([image.views for image in images])))
    else:
        pixels = torch.zeros(0, 3, side, side)
    lengths = tuple(len(sample) for sample in row.samples)
    instructions = [one for sample in row.samples for one in sample.instructions]
    return PackedBatch(
        input_ids=torch.from_numpy(_joined([sample.ids for sample in row.samples])),
        position_ids=torch.from_numpy(_joined([np.arange(length, dtype=np.int64) for length in lengths])),
        targets=torch.from_numpy(_joined([sample.targets for sample in row.samples])),
        document_lengths=lengths,
        pixels=pixels,
        image_views=tuple(len(image.views) for image in images),
        image_sizes=tuple(image.size for image in images),
        image_token_counts=tuple(count for sample in row.samples for count in sample.image_token_counts),
        record_ids=tuple(sample.record_id for sample in row.samples),
        instruction_ids=torch.from_numpy(_joined(instructions)) if instructions else None,
        instruction_lengths=tuple(len(one) for one in instructions),
    )


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays end to end in memory of their own, so that no row shares storage with another."""
    return np.concatenate(arrays)
