"""Go through a whole data set before training, and say what would be refused and what the rest looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmtune.data.config import DataConfig
from mmtune.data.prepare import RecordEncoder, Sample
from mmtune.data.quarantine import Refusal
from mmtune.data.room import check_room
from mmtune.data.source import Source, open_sources
from mmtune.errors import RecordError
from mmtune.images.decoding import ImageError
from mmtune.images.loading import image_size, load_image
from mmtune.images.policies import ImagePolicy
from mmtune.templates import Template

ImageCheck = Callable[[Sample], None]


@dataclass
class Report:
    """What a check found."""

    records: int = 0
    """Records looked at."""
    refused: list[Refusal] = field(default_factory=list)
    """Records that training would refuse, with their reasons."""
    images: int = 0
    """Images of the accepted records."""
    tokens: int = 0
    """Tokens of the accepted records, visual tokens included."""
    visual_tokens: int = 0
    """Visual tokens of the accepted records."""
    supervised: int = 0
    """Supervised tokens of the accepted records."""
    longest: int = 0
    """Tokens of the longest accepted record."""
    longest_id: str = ""
    """Its id."""

    @property
    def accepted(self) -> int:
        """Records that training would take."""
        return self.records - len(self.refused)

    def add(self, found: Sample | Refusal) -> None:
        """Count one record."""
        self.records += 1
        if isinstance(found, Refusal):
            self.refused.append(found)
            return
        self.images += len(found.images)
        self.tokens += len(found)
        self.visual_tokens += sum(found.image_token_counts)
        self.supervised += found.supervised
        if len(found) > self.longest:
            self.longest, self.longest_id = len(found), found.record_id


def image_headers(sample: Sample) -> None:
    """Check that each image of a sample is there and is an image of a bearable size, by its header."""
    for image in sample.images:
        image_size(sample.image_root, image)


def image_pixels(sample: Sample) -> None:
    """Check that each image of a sample can be decoded to its last pixel; slower."""
    for image in sample.images:
        load_image(sample.image_root, image)


def examine(
    sources: Sequence[Source], encoder: RecordEncoder, images: ImageCheck = image_headers
) -> Iterator[Sample | Refusal]:
    """Look at every record in the order of the files.

    Args:
        sources: where the records are.
        encoder: turns records into samples.
        images: :func:`image_headers` or :func:`image_pixels`.

    Yields:
        For each record its sample, or why training would refuse it.
    """
    for source in sources:
        for index in range(len(source)):
            yield _examined(source, index, encoder, images)


def _examined(source: Source, index: int, encoder: RecordEncoder, images: ImageCheck) -> Sample | Refusal:
    try:
        sample = encoder.encode(source.record(index), source.image_root)
        images(sample)
    except (RecordError, ImageError) as error:
        return Refusal.of(error, Path(source.path), source.row(index), source.record_id(index))
    return sample


def check(
    config: DataConfig,
    template: Template,
    tokenizer: Any,
    policy: ImagePolicy,
    images: ImageCheck = image_headers,
    progress: Callable[[Iterator[Sample | Refusal], int], Iterator[Sample | Refusal]] | None = None,
) -> Report:
    """Check all records that a recipe names, validation included.

    Args:
        config: the data of the recipe.
        template: the chat template.
        tokenizer: the language model's tokenizer.
        policy: the image policy.
        images: :func:`image_headers` or :func:`image_pixels`.
        progress: wraps the records, given their number, to show progress.

    Raises:
        UserError: if a source cannot be opened at all.
    """
    sources: list[Source] = list(open_sources(config.train, "data.train"))
    if config.validation:
        sources += open_sources(config.validation, "data.validation")
    check_room(policy, config.max_tokens)
    encoder = RecordEncoder(tokenizer, template, policy, config.max_tokens, config.image_position)
    found = examine(sources, encoder, images)
    if progress is not None:
        found = progress(found, sum(len(source) for source in sources))
    report = Report()
    for item in found:
        report.add(item)
    return report
