"""What reference tests share with the unit tests of the models."""

from __future__ import annotations

from tests.unit.models.conftest import backbones

__all__ = ["backbones"]
