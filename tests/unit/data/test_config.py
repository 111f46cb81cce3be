"""Wrong settings are refused when they are made, not in mid-run."""

from __future__ import annotations

from typing import Any

import pytest

from mmtune.data.config import DataConfig, SourceConfig
from mmtune.errors import UserError


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"max_tokens": 1}, "data.max_tokens"),
        ({"max_tokens": 100, "row_tokens": 99}, "data.row_tokens"),
        ({"validation_fraction": 1.0}, "data.validation_fraction"),
        ({"quarantine_budget": -0.1}, "data.quarantine_budget"),
        ({"quarantine_budget": float("nan")}, "data.quarantine_budget"),
        ({"image_position": "first"}, "data.image_position"),
        ({"workers": -1}, "data.workers"),
        ({"validation": [SourceConfig("v.json")], "validation_fraction": 0.1}, "data.validation_fraction"),
    ],
)
def test_wrong_settings_name_their_key(settings: dict[str, Any], where: str) -> None:
    with pytest.raises(UserError) as caught:
        DataConfig(**settings)
    assert caught.value.where == where


@pytest.mark.parametrize("weight", [0, -1, float("inf"), float("nan")])
def test_a_weight_is_a_positive_number(weight: float) -> None:
    with pytest.raises(UserError, match="weight must be above 0"):
        SourceConfig("a.json", weight=weight)


def test_a_row_holds_the_longest_record_by_default() -> None:
    assert DataConfig(max_tokens=7).row_capacity == 7
    assert DataConfig(max_tokens=7, row_tokens=9).row_capacity == 9
