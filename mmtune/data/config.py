"""What a recipe says about data: sources, their weights, the sizes of records and rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from mmtune.errors import UserError


@dataclass(frozen=True)
class SourceConfig:
    """One file of records in LLaVA's format, a JSON list or JSON Lines; or a folder of shards of them."""

    path: str
    """The file; or the folder that ``mmtune data shards`` wrote, or its ``manifest.json``."""
    image_root: str | None = None
    """Folder that image paths are relative to and must not leave; the file's own folder if not given. Shards
    hold their images."""
    weight: float = 1.0
    """Records drawn from this source relative to its size: 1 each record once an epoch, 2 twice, 0.5 half."""

    def __post_init__(self) -> None:
        if not self.path:
            raise UserError(
                "a source has an empty path", "data.train.path", "give the records' JSON or JSONL file"
            )
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise UserError(
                f"a source's weight must be above 0, not {self.weight}",
                f"data source {self.path}",
                "leave it out for 1",
            )


@dataclass(frozen=True)
class DataConfig:
    """The records to learn from and how they become packed rows."""

    train: list[SourceConfig] = field(default_factory=list)
    """Sources to learn from."""
    validation: list[SourceConfig] = field(default_factory=list)
    """Sources of the validation set."""
    validation_fraction: float = 0.0
    """Share of the training records kept for validation instead, chosen by a hash of the record's id;
    one at least."""
    max_tokens: int = 2048
    """The longest record, visual tokens included; a longer one is refused, never cut."""
    row_tokens: int | None = None
    """The longest packed row; ``max_tokens`` if not given."""
    image_position: Literal["keep", "front"] = "keep"
    """Where an image stands in its turn: where the record puts it, or first as LLaVA's own trainer does."""
    quarantine_budget: float = 0.01
    """Share of the records that may be refused before the run stops."""
    workers: int = 0
    """Processes that prepare batches ahead of the model; 0 prepares them in the training process."""

    def __post_init__(self) -> None:
        if self.max_tokens < 2:
            raise UserError(f"max_tokens must be at least 2, not {self.max_tokens}", "data.max_tokens")
        if self.row_tokens is not None and self.row_tokens < self.max_tokens:
            raise UserError(
                f"rows of {self.row_tokens} tokens cannot hold records of up to {self.max_tokens}",
                "data.row_tokens",
                "raise row_tokens or lower max_tokens",
            )
        for name in ("validation_fraction", "quarantine_budget"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise UserError(f"{name} must be at least 0 and below 1, not {value}", f"data.{name}")
        if self.validation and self.validation_fraction:
            raise UserError(
                "validation records are given twice, as sources and as a fraction of the training records",
                "data.validation_fraction",
                "keep one of validation and validation_fraction",
            )
        if self.image_position not in ("keep", "front"):
            raise UserError(
                f"unknown image position {self.image_position!r}", "data.image_position", "use keep or front"
            )
        if self.workers < 0:
            raise UserError(f"workers must be 0 or more, not {self.workers}", "data.workers")

    @property
    def row_capacity(self) -> int:
        """Tokens that a packed row may hold."""
        return self.max_tokens if self.row_tokens is None else self.row_tokens
