"""From a recipe to loaders: sources, template, encoder, the training and the validation steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmtune.data.loader import StepLoader, train_loader, validation_loader
from mmtune.data.prepare import RecordEncoder
from mmtune.data.room import check_room
from mmtune.data.source import Source
from mmtune.data.splits import open_splits
from mmtune.errors import UserError
from mmtune.models.bundle import Bundle
from mmtune.templates import TokenizerTemplate, choose_template, get_template
from mmtune.train.engines.base import Engine
from mmtune.train.settings import Recipe


@dataclass(frozen=True)
class Feeding:
    """What a run reads."""

    train: StepLoader
    validation: StepLoader | None
    sources: Sequence[Source]
    held_out: Sequence[Source]
    """Sources of the validation records."""

    def manifest(self) -> dict[str, Any]:
        """Files and hashes, for checkpoints."""
        return {
            name: [{"path": str(s.path), "records": len(s), "fingerprint": s.fingerprint} for s in sources]
            for name, sources in (("train", self.sources), ("validation", self.held_out))
        }


Splits = tuple[list[Source], list[Source]]
"""Sources of the training records and of those that are held out."""


def open_data(recipe: Recipe) -> Splits:
    """What can be opened before the model is there, so that a wrong name costs no loading of weights.

    Raises:
        UserError: a source cannot be used, or there is no such template.
    """
    if not recipe.data.train:
        raise UserError("the recipe names no training data", "data.train", "add a source with its path")
    if recipe.template != TokenizerTemplate.name:
        get_template(recipe.template)
    return open_splits(recipe.data)


def feed(recipe: Recipe, splits: Splits, bundle: Bundle, engine: Engine) -> Feeding:
    """The steps of a recipe for this rank.

    Raises:
        UserError: the template or a setting cannot be used.
    """
    train, held_out = splits
    template = choose_template(recipe.template, bundle.tokenizer)
    check_room(bundle.policy, recipe.data.max_tokens)
    encoder = RecordEncoder(
        bundle.tokenizer,
        template,
        bundle.policy,
        recipe.data.max_tokens,
        recipe.data.image_position,
        instructions=bundle.model.projector.reads_text,
    )
    out, optim = Path(recipe.out), recipe.optim
    place = {"rank": engine.rank, "world": engine.world}
    return Feeding(
        train_loader(
            recipe.data,
            train,
            encoder,
            batch_records=optim.batch_records,
            seed=recipe.seed,
            epochs=optim.epochs,
            steps=optim.steps,
            quarantine=out / "quarantine.jsonl",
            **place,
        ),
        validation_loader(
            recipe.data,
            held_out,
            encoder,
            batch_records=optim.batch_records,
            records=recipe.validation.records,
            quarantine=out / "quarantine.jsonl",
            **place,
        )
        if held_out
        else None,
        train,
        held_out,
    )
