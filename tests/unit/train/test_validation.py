"""Validation must not end a run, nor report a loss of nothing."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from mmtune.errors import UserError
from mmtune.models.bundle import Bundle
from mmtune.train.engines.single import Single
from mmtune.train.engines.topology import Topology
from mmtune.train.feeding import open_data
from mmtune.train.objectives import get_objective
from mmtune.train.settings import EngineConfig, Recipe, ValidationConfig
from mmtune.train.validation import Validation


def validation(recipe: Recipe, bundle: Bundle, steps: Any) -> Validation:
    engine = Single(EngineConfig(precision="fp32"), Topology())
    sources, _ = open_data(recipe)
    return Validation(recipe, engine, bundle, get_objective(recipe.objective), steps, sources)


def test_no_records_is_no_setting() -> None:
    with pytest.raises(UserError, match=r"validation\.records"):
        ValidationConfig(records=0)


def test_nothing_to_validate_is_no_loss_of_zero(recipe: Recipe, bundle: Bundle) -> None:
    assert validation(recipe, bundle, []).loss() is None


def test_answers_that_cannot_be_made_do_not_end_the_run(
    recipe: Recipe, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    asked = replace(recipe, validation=ValidationConfig(samples=2, sample_tokens=0))
    with caplog.at_level(logging.WARNING):
        assert validation(asked, bundle, []).answers() == []
    assert "no sample answers" in caplog.text
