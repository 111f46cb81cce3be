"""What one rank does for one step: the plan that all ranks agree on, and the decoding of its own rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mmtune.data.mixture import Order
from mmtune.data.packing import plan_rows
from mmtune.data.prepare import RecordEncoder, Sample
from mmtune.data.quarantine import Refusal
from mmtune.data.rows import DecodedImage, ImageDecoder, Row
from mmtune.data.source import Source
from mmtune.errors import RecordError
from mmtune.images.decoding import ImageError


@dataclass(frozen=True)
class StepRows:
    """One rank's share of a step, as a worker hands it over."""

    index: int
    rows: tuple[Row, ...]
    """The rank's rows; every rank has the same number."""
    refused_by_all: tuple[Refusal, ...]
    """Records that every rank refused while planning."""
    refused_here: tuple[Refusal, ...]
    """Records whose images this rank could not decode; their places stay empty."""


class Planned(NamedTuple):
    """A sample and where it comes from."""

    sample: Sample
    path: Path
    row: int


class StepMaker:
    """Makes the steps of a run as a pure function of the step's index.

    Step ``k`` is the records at positions ``k * batch_records`` onwards of the global order. Every rank
    encodes the text of all of them and packs them alike; then it decodes the images of its own rows only.

    Args:
        sources: where the records are.
        order: which record stands at which position.
        encoder: turns records into samples.
        batch_records: records of a step over all ranks.
        records: records of the whole run; the last step may be shorter than the others.
        row_tokens: tokens that a packed row holds.
        rank: this process's rank.
        world: number of ranks.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        order: Order,
        encoder: RecordEncoder,
        *,
        batch_records: int,
        records: int,
        row_tokens: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.sources = tuple(sources)
        self.order = order
        self.encoder = encoder
        self.batch_records = batch_records
        self.records = records
        self.row_tokens = row_tokens
        self.rank = rank
        self.world = world

    def __len__(self) -> int:
        return -(-self.records // self.batch_records)

    def __getitem__(self, step: int) -> StepRows:
        planned, refused_by_all = self._plan(step)
        rows, refused_here = self._decode(planned)
        return StepRows(step, tuple(rows), tuple(refused_by_all), tuple(refused_here))

    def _plan(self, step: int) -> tuple[list[Planned], list[Refusal]]:
        """Encode the text of all records of a step; the same on every rank."""
        planned: list[Planned] = []
        refused: list[Refusal] = []
        end = min((step + 1) * self.batch_records, self.records)
        for position in range(step * self.batch_records, end):
            number, index = self.order.at(position)
            source = self.sources[number]
            try:
                sample = self.encoder.encode(source.record(index), source.image_root)
            except (RecordError, ImageError) as error:
                refused.append(Refusal.of(error, source.path, source.row(index), source.record_id(index)))
            else:
                planned.append(Planned(sample, source.path, source.row(index)))
        return planned, refused

    def _decode(self, planned: Sequence[Planned]) -> tuple[list[Row], list[Refusal]]:
        """Pack the step and decode this rank's images; a record with a bad one leaves its row."""
        plan = plan_rows([len(item.sample) for item in planned], self.row_tokens, self.world)
        decoder = ImageDecoder(self.encoder.policy)
        rows: list[Row] = []
        refused: list[Refusal] = []
        for items in plan[self.rank]:
            samples: list[Sample] = []
            images: list[tuple[DecodedImage, ...]] = []
            for sample, path, row in (planned[item] for item in items):
                try:
                    images.append(decoder.images(sample))
                except ImageError as error:
                    refused.append(Refusal.of(error, path, row, sample.record_id))
                else:
                    samples.append(sample)
            rows.append(Row(tuple(samples), tuple(images)))
        return rows, refused
