"""Nine photographs that ship inside scikit-image and scikit-learn, described by hand."""

from __future__ import annotations

from data_builders.photos.album import PHOTOS, Album, build

__all__ = ["PHOTOS", "Album", "build"]
