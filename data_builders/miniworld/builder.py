"""Miniworld as a builder."""

from __future__ import annotations

from data_builders.builders import Builder
from data_builders.miniworld.dataset import build

BUILDERS: dict[str, Builder] = {
    "miniworld": Builder(
        "miniworld", "nothing", "scenes of shapes, words and digits: records and benchmarks", "", build
    )
}
