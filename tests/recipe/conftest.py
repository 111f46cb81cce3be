"""What recipe tests share with the unit tests of the same rooms."""

from __future__ import annotations

from tests.unit.data_builders.programs.conftest import worlds
from tests.unit.train.conftest import bundle, recipe, tiny_project

__all__ = ["bundle", "recipe", "tiny_project", "worlds"]
