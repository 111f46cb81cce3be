"""A record as tokens: ids, targets and image places, with its length known before any pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmtune.batch import IGNORE
from mmtune.errors import RecordError
from mmtune.images.loading import image_size
from mmtune.images.policies import ImagePolicy
from mmtune.images.video import plan_frames
from mmtune.records import ImageRef, Record, move_images_to_front
from mmtune.templates import Template
from mmtune.templates.instructions import instruction_ids
from mmtune.templates.segments import encode, expand


@dataclass(frozen=True)
class Sample:
    """One record ready to be packed; only its pixels are missing."""

    record_id: str
    ids: np.ndarray
    """(tokens,) int64; ``IMAGE_TOKEN_ID`` at each visual token's position."""
    targets: np.ndarray
    """(tokens,) int64; the id to predict from this position, or ``IGNORE``."""
    images: tuple[ImageRef, ...]
    """In the order of their places; each frame of a video is one."""
    image_root: Path
    """Folder that the images are relative to."""
    image_token_counts: tuple[int, ...]
    """Visual tokens of each image."""
    instructions: tuple[np.ndarray, ...] = ()
    """Ids of the instruction of each image, where the projector reads them."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def supervised(self) -> int:
        """Number of supervised tokens."""
        return int((self.targets != IGNORE).sum())


class RecordEncoder:
    """Turns records into samples by a template, a tokenizer and an image policy.

    Args:
        tokenizer: the language model's tokenizer.
        template: renders turns into segments that carry their own mask.
        policy: gives the visual tokens of each image.
        max_tokens: the longest record accepted, visual tokens included.
        image_position: ``keep`` leaves an image where the record puts it; ``front`` moves it before its
            turn's text, as LLaVA's trainer does.
        instructions: whether samples carry the instruction of each image, for a projector that reads it.
    """

    def __init__(
        self,
        tokenizer: Any,
        template: Template,
        policy: ImagePolicy,
        max_tokens: int,
        image_position: Literal["keep", "front"] = "keep",
        instructions: bool = False,
    ) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self.policy = policy
        self.max_tokens = max_tokens
        self.image_position = image_position
        self.instructions = instructions

    def encode(self, record: Record, image_root: Path) -> Sample:
        """Tokenise a record and lay out its visual tokens.

        Args:
            record: the record.
            image_root: folder that its images are relative to; read only where the policy needs sizes.

        Raises:
            RecordError: if the record is malformed, longer than ``max_tokens``, or would train on nothing.
            ImageError: if the policy needs an image's size and its header cannot be read, or a video cannot
                be used.
        """
        record.check()
        if self.image_position == "front":
            record = move_images_to_front(record)
        encoded = encode(self.template.render(record.turns), self.tokenizer)
        seen = [self._seen(image_root, image) for image in record.images]
        images = tuple(image for of_place in seen for image in of_place)
        counts = tuple(count for of_place in seen for count in self._visual_tokens(image_root, of_place))
        of_image = iter(counts)
        expanded = expand(encoded, [sum(islice(of_image, len(of_place))) for of_place in seen])
        ids = np.asarray(expanded.ids, dtype=np.int64)
        targets = shift_targets(ids, np.asarray(expanded.supervised, dtype=bool))
        if len(ids) > self.max_tokens:
            visual = f", {sum(counts)} of them visual," if counts else ""
            raise RecordError(
                f"the record has {len(ids)} tokens{visual} and the limit is {self.max_tokens}",
                record.id,
                fix="shorten it or raise data.max_tokens",
            )
        if not (targets != IGNORE).any():
            raise RecordError("the record would train on nothing: no token of it is supervised", record.id)
        read = instruction_ids(record.turns, self.tokenizer) if self.instructions else ()
        instructions = tuple(
            np.asarray(one, dtype=np.int64)
            for one, of_place in zip(read, seen, strict=False)
            for _ in of_place
        )
        return Sample(record.id, ids, targets, images, image_root, counts, instructions)

    def _seen(self, root: Path, image: ImageRef) -> list[ImageRef]:
        """An image itself, or the frames of a video that stand one behind the other in its place."""
        return plan_frames(root, image, self.policy) if image.video else [image]

    def _visual_tokens(self, root: Path, of_place: list[ImageRef]) -> list[int]:
        """Of each image of a place; the frames of a video have one size, for which it is opened once."""
        first = of_place[0]
        width, height = image_size(root, first) if self.policy.needs_size else (0, 0)
        return [self.policy.token_count(width, height, frame=first.frame is not None)] * len(of_place)


def shift_targets(ids: np.ndarray, supervised: np.ndarray) -> np.ndarray:
    """What each position of one document has to predict.

    Args:
        ids: (tokens,) int64.
        supervised: (tokens,) bool; whether the token itself is learnt.

    Returns:
        (tokens,) int64; ``ids[i + 1]`` at place ``i`` where token ``i + 1`` is supervised, else ``IGNORE``.
    """
    targets = np.full(len(ids), IGNORE, dtype=np.int64)
    targets[:-1][supervised[1:]] = ids[1:][supervised[1:]]
    return targets
