"""The geometry refuses what no tower could use."""

from __future__ import annotations

import pytest

from mmtune.errors import UserError
from mmtune.images.geometry import Grid, ViewGeometry, ViewTokens


def test_grid_ignores_pixels_beyond_the_last_whole_patch() -> None:
    assert ViewGeometry(384, 14).grid == Grid(27, 27)


def test_lists_from_json_equal_tuples() -> None:
    geometry = ViewGeometry(8, 4, mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5])  # type: ignore[arg-type]
    assert geometry == ViewGeometry(8, 4, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert hash(geometry) is not None


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 4, "patch": 8},
        {"size": 8, "patch": 0},
        {"size": 8, "patch": 4, "resample": "cubic"},
        {"size": 8, "patch": 4, "fit": "pad"},
        {"size": 8, "patch": 4, "std": (0.5, 0.0, 0.5)},
        {"size": 8, "patch": 4, "mean": (0.5,)},
    ],
)
def test_wrong_geometry_is_refused(wrong: dict) -> None:
    with pytest.raises(UserError):
        ViewGeometry(**wrong)


def test_tokens_must_fill_their_grid() -> None:
    with pytest.raises(ValueError, match="cannot fill"):
        ViewTokens(5, Grid(2, 2))
    with pytest.raises(ValueError, match="at least one"):
        ViewTokens(0)
