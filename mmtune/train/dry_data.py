"""The data half of a dry run: what is there is checked, what is not is named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mmtune.data.check import examine
from mmtune.data.mixture import Mixture
from mmtune.data.prepare import RecordEncoder, Sample
from mmtune.data.quarantine import Refusal
from mmtune.data.room import check_room
from mmtune.data.shards import is_shards
from mmtune.data.source import Source
from mmtune.data.splits import open_splits
from mmtune.errors import UserError
from mmtune.images.loading import image_size
from mmtune.models.vlm import VisionLanguageModel
from mmtune.templates import Template, TokenizerTemplate, choose_template, get_template
from mmtune.train.settings import Recipe

LOOKED_AT = 200
"""Records at the start of each source that are rendered and measured."""


@dataclass(frozen=True)
class _Look:
    """What the first records of a source are like."""

    path: str
    records: int
    """All that the source has."""
    samples: Sequence[Sample]
    refused: Sequence[str]
    """A reason for each that is refused."""

    @property
    def doomed(self) -> int:
        """Records that will be refused: those found, or all where none of the first can be used."""
        return len(self.refused) if self.samples else self.records

    def __str__(self) -> str:
        tokens = sum(len(sample) for sample in self.samples)
        supervised = sum(sample.supervised for sample in self.samples)
        looked = len(self.samples) + len(self.refused)
        line = f"data: {self.path}: of the first {looked} records {len(self.samples)} can be used"
        if self.samples:
            line += f", {tokens / len(self.samples):.0f} tokens each, {supervised / tokens:.0%} supervised"
        return line + (f"; refused: {self.refused[0]}" if self.refused else "")


def describe_data(
    recipe: Recipe, model: VisionLanguageModel, tokenizer: Any, problems: list[UserError]
) -> list[str]:
    """Sentences about the data, the template and the number of steps.

    Args:
        recipe: names the data.
        model: without weights.
        tokenizer: of its language model, or None where that is not on this machine.
        problems: takes what would stop the training.

    Raises:
        UserError: a file that exists cannot be used, the template is unknown, or an image may give more
            tokens than a record may have.
    """
    policy = model.policy
    check_room(policy, recipe.data.max_tokens)
    lines = [
        f"images: {policy.name}, {policy.tokens.count} visual tokens a view,"
        f" at most {policy.largest} an image"
    ]
    missing = [source for source in (*recipe.data.train, *recipe.data.validation) if not _there(source)]
    for source in missing:
        lines.append(f"data: {source.path} or its image root is not on this machine")
    template: Template | None = None
    if tokenizer is not None:
        template = choose_template(recipe.template, tokenizer)
    elif recipe.template != TokenizerTemplate.name:
        template = get_template(recipe.template)
    if template is not None:
        lines.append(f"template: {recipe.template}")
    if missing or not recipe.data.train:
        return [*lines, "data: not checked" if missing else "data: the recipe names no training data"]
    train, held_out = open_splits(recipe.data)
    weights = [settings.weight for settings in recipe.data.train]
    records = Mixture([len(source) for source in train], weights, recipe.seed).epoch_records
    optim = recipe.optim
    steps = optim.steps or math.ceil(max(1, round(records * optim.epochs)) / optim.batch_records)
    lines.append(
        f"data: {records:,} records an epoch, {sum(map(len, held_out)):,} for validation;"
        f" {steps:,} steps of {optim.batch_records}"
    )
    if tokenizer is not None and template is not None:
        encoder = RecordEncoder(
            tokenizer, template, model.policy, recipe.data.max_tokens, recipe.data.image_position
        )
        looks = [_look(source, encoder) for source in train]
        lines += map(str, looks)
        problems += _over_budget(looks, recipe.data.quarantine_budget)
    return lines


def _over_budget(looks: Sequence[_Look], budget: float) -> list[UserError]:
    """The error that training would end in, where the records that were looked at foretell it."""
    doomed, records = sum(look.doomed for look in looks), sum(look.records for look in looks)
    if not doomed:
        return []
    worst = max(looks, key=lambda look: look.doomed)
    reason = f"{worst.path}: {worst.refused[0]}"
    if not any(look.samples for look in looks):
        looked = sum(len(look.refused) for look in looks)
        what = f"training cannot start: none of the first {looked} training records can be used"
        return [UserError(what, reason, "mend the records, or the paths in data.train")]
    if doomed <= budget * records:
        return []
    return [
        UserError(
            f"training would stop: {doomed} of {records} training records are refused, as it looks, over the"
            f" budget of {budget * 100:g} %",
            reason,
            "mend or remove these records, or raise data.quarantine_budget",
        )
    ]


def _there(source: Any) -> bool:
    path = Path(source.path)
    return (path.is_file() or is_shards(path)) and (
        source.image_root is None or Path(source.image_root).is_dir()
    )


def _look(source: Source, encoder: RecordEncoder) -> _Look:
    """Render the first records and open their images' headers."""
    samples, refused = [], []
    for found in islice(examine([source], encoder), LOOKED_AT):
        if isinstance(found, Refusal):
            refused.append(found.reason)
            continue
        try:
            for image in found.images:
                image_size(found.image_root, image)
            samples.append(found)
        except UserError as error:
            refused.append(str(error))
    return _Look(str(source.path), len(source), samples, refused)
