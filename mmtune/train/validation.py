"""Loss and real answers on records that are not trained on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from mmtune.data.loader import StepLoader
from mmtune.data.source import Source
from mmtune.errors import UserError
from mmtune.images.loading import load_image
from mmtune.images.video import load_clip
from mmtune.models.bundle import Bundle
from mmtune.records import ImageRef, Record
from mmtune.train import stages
from mmtune.train.agreement import agreed_steps
from mmtune.train.engines.base import Engine
from mmtune.train.objectives import Objective
from mmtune.train.settings import Recipe

log = logging.getLogger(__name__)


class Validation:
    """Validates the model of a run.

    Args:
        recipe: how many answers, how long.
        engine: runs the forward pass.
        bundle: the model.
        objective: the loss.
        loader: one pass over the validation records.
        sources: where these records are, for the answers.
    """

    def __init__(
        self,
        recipe: Recipe,
        engine: Engine,
        bundle: Bundle,
        objective: Objective,
        loader: StepLoader,
        sources: Sequence[Source],
    ) -> None:
        self.recipe = recipe
        self.engine = engine
        self.bundle = bundle
        self.objective = objective
        self.loader = loader
        self.sources = sources
        if engine.sharded and recipe.validation.samples:
            log.info("the engine %s shards the weights: no sample answers during training", engine.name)

    def loss(self) -> float | None:
        """Mean loss over the supervised tokens of the validation records; every rank calls it.

        None where there are no such tokens, as when every validation record is refused.
        """
        loss, tokens = 0.0, 0
        self.bundle.model.eval()
        try:
            with torch.no_grad():
                for step in agreed_steps(self.loader, self.engine):
                    tokens += step.supervised
                    for batch in step.own.batches:
                        with self.engine.autocast():
                            loss += float(self.objective(self.engine.wrapped, self.engine.place(batch)))
        finally:
            stages.set_training_mode(self.bundle.model, self.recipe.stage)
        return self.engine.sum(loss)[0] / tokens if tokens else None

    def answers(self) -> list[dict[str, Any]]:
        """Greedy answers to the first questions of some validation records, where rank 0 has all weights."""
        wanted = self.recipe.validation.samples
        if self.engine.sharded or self.engine.rank != 0 or not wanted:
            return []
        try:
            return self._answers(wanted)
        except UserError as error:  # these are for the reader, and worth no run
            log.warning("%s There are no sample answers this time.", error)
            return []

    def _answers(self, wanted: int) -> list[dict[str, Any]]:
        from mmtune.decode.engine import Engine as Decoder
        from mmtune.decode.requests import Request, Settings

        chosen = _spread(self.sources, wanted)
        requests, rows = [], []
        for source, record in chosen:
            turns = _first_question(record)
            images = record.images[: sum(turn.placeholders for turn in turns)]
            opened = [partial(self._open, source.image_root, image) for image in images]
            requests.append(Request(opened, turns, id=record.id))
            truth = record.turns[len(turns)].text
            rows.append({"id": record.id, "prompt": turns[-1].text, "truth": truth})
        decoder = Decoder(self.bundle)
        with self.engine.autocast():
            completions = decoder.generate(
                requests, Settings(max_new_tokens=self.recipe.validation.sample_tokens), failures={}
            )
        return [{**row, "answer": completion.text} for row, completion in zip(rows, completions, strict=True)]

    def _open(self, root: Path, image: ImageRef) -> Any:
        """An image, or the frames of a video as training sees them."""
        from mmtune.decode.requests import Clip

        if image.video:
            return Clip(tuple(load_clip(root, image, self.bundle.policy)))
        return load_image(root, image)


def _first_question(record: Record) -> tuple[Any, ...]:
    end = next(number for number, turn in enumerate(record.turns) if turn.role == "assistant")
    return tuple(replace(turn) for turn in record.turns[:end])


def _spread(sources: Sequence[Source], count: int) -> list[tuple[Source, Record]]:
    """Records evenly spaced over all sources; ones that cannot be used are passed over."""
    places = [(source, index) for source in sources for index in range(len(source))]
    chosen = []
    for number in range(min(count, len(places))):
        source, index = places[number * len(places) // min(count, len(places))]
        try:
            record = source.record(index)
            record.check()
        except UserError as error:
            log.debug("no sample answer: %s", error)
            continue
        chosen.append((source, record))
    return chosen
