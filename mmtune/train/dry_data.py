"""The data half of a dry run: what is there is checked, what is not is named."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path
from typing import Any

from mmtune.data.check import examine
from mmtune.data.mixture import Mixture
from mmtune.data.prepare import RecordEncoder
from mmtune.data.quarantine import Refusal
from mmtune.data.room import check_room
from mmtune.data.shards import is_shards
from mmtune.data.source import Source
from mmtune.data.splits import open_splits
from mmtune.errors import UserError
from mmtune.images.decoding import image_size
from mmtune.models.vlm import VisionLanguageModel
from mmtune.templates import Template, TokenizerTemplate, choose_template, get_template
from mmtune.train.settings import Recipe

LOOKED_AT = 200
"""Records at the start of each source that are rendered and measured."""


def describe_data(recipe: Recipe, model: VisionLanguageModel, tokenizer: Any) -> list[str]:
    """Sentences about the data, the template and the number of steps.

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
        lines += [_look(source, encoder) for source in train]
    return lines


def _there(source: Any) -> bool:
    path = Path(source.path)
    return (path.is_file() or is_shards(path)) and (
        source.image_root is None or Path(source.image_root).is_dir()
    )


def _look(source: Source, encoder: RecordEncoder) -> str:
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
    tokens = sum(len(sample) for sample in samples)
    supervised = sum(sample.supervised for sample in samples)
    line = (
        f"data: {source.path}: of the first {len(samples) + len(refused)} records {len(samples)} can be used"
    )
    if samples:
        line += f", {tokens / len(samples):.0f} tokens each, {supervised / tokens:.0%} supervised"
    return line + (f"; refused: {refused[0]}" if refused else "")
