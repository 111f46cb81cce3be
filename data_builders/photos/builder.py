"""The photographs as a builder."""

from __future__ import annotations

from data_builders.builders import Builder
from data_builders.photos.album import build

BUILDERS: dict[str, Builder] = {
    "photos": Builder("photos", "nothing", "nine photographs with records and small benchmarks", "", build)
}
