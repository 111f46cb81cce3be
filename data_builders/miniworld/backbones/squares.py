"""Places on a chessboard of nine by nine over the picture, fine enough for every question about places."""

from __future__ import annotations

from data_builders.scenes import Scene, SceneObject

SIDE = 9


def square_of(scene: Scene, item: SceneObject) -> tuple[int, int]:
    """Column and line, from 0, of the square that holds the object's centre."""
    x, y = item.center
    return min(SIDE - 1, int(SIDE * x / scene.width)), min(SIDE - 1, int(SIDE * y / scene.height))


def square_name(square: tuple[int, int]) -> str:
    """A letter for the column, A to I from the left, and one for the line, J to R from the top."""
    return f"{'ABCDEFGHI'[square[0]]} {'JKLMNOPQR'[square[1]]}"
