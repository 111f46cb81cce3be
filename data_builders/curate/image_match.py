"""Whether one image shows a part of another: re-encoded, resized, or cropped out of it.

Perceptual hashes lose a crop. Here a picture becomes its 6 x 6 cells of mean colour, and every picture that
it could be cut from becomes the cells of a hundred windows in it; one matrix product correlates them all.
The few pairs that correlate are laid on each other exactly and compared block by block, so that one object
that differs tells two photographs of the same place apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from data_builders.curate.image_align import (
    FINE,
    WHOLE,
    Array,
    Picture,
    Window,
    align,
    cells_of,
    matrix,
    worst_block,
)
from mmtune.errors import UserError

_CELLS = 6
_SIZES = (1.0, 0.9, 0.8, 0.7)
_STEP = 0.1
_STARTS = 4
"""Windows from which the exact place is searched."""
_ALIKE = 6.0
"""Difference, of 255, at which the search is over: pictures that are not the same are far above it."""
_FLAT = 2.0
"""Standard deviation of a picture, of 255, below which it shows nothing to compare but its colour."""


@dataclass(frozen=True, slots=True)
class MatchSettings:
    """When two pictures are the same.

    Args:
        correlation: least correlation of the cells for a pair to be looked at closely.
        difference: greatest difference of the mean colours, of 255, of any block once the pictures lie on
            each other.
        candidates: pictures that one is compared with closely and is not, until the search ends.
    """

    correlation: float = 0.8
    difference: float = 16.0
    candidates: int = 8

    def __post_init__(self) -> None:
        # Under NaN or less than 0 no image would match, and every leak would be kept without a word.
        if not 0 <= self.difference <= 255:
            raise UserError(f"the difference is {self.difference}", "--difference", "give 0 to 255")


@dataclass(frozen=True, slots=True)
class Match:
    """One picture found in another."""

    index: int
    """Which picture it was found in."""
    difference: float
    """Difference of the mean colours of the worst block, of 255."""
    window: Window
    """What it shows of the other."""


class WindowIndex:
    """Pictures that others may have been cut from.

    It takes some 70 kB a picture.

    Args:
        pictures: to be found.
        settings: when two pictures are the same.
    """

    def __init__(self, pictures: Sequence[Picture], settings: MatchSettings | None = None) -> None:
        self.settings = settings or MatchSettings()
        self._pictures = list(pictures)
        features = [_window_features(one) for one in self._pictures]
        self._features = np.stack(features) if features else np.empty((0, len(_windows()), 0), np.float32)
        self._flat = np.array([_is_flat(one) for one in self._pictures], dtype=bool)

    def find_all(self, picture: Picture) -> list[Match]:
        """All pictures that this one is or is cut from, by index."""
        if not self._pictures:
            return []
        if _is_flat(picture):
            return self._flat_matches(picture)
        scores = self._features @ _normalised(cells_of(picture.pixels, _CELLS))
        top = scores.max(axis=1)
        top[self._flat] = -1.0
        near = np.flatnonzero(top >= self.settings.correlation)
        matches = []
        misses = 0
        for index in near[np.argsort(-top[near], kind="stable")].tolist():
            window, apart = self._laid_on(picture, index, scores[index])
            if apart <= self.settings.difference:
                left, upper, right, lower = (round(edge, 3) for edge in window)
                matches.append(Match(index, round(apart, 2), (left, upper, right, lower)))
                continue
            misses += 1
            if misses == self.settings.candidates:
                break
        return sorted(matches, key=lambda match: match.index)

    def _laid_on(self, picture: Picture, index: int, scores: Array) -> tuple[Window, float]:
        """Where a picture lies on another, and by how much they differ there."""
        window, apart = WHOLE, difference(picture, self._pictures[index])
        if apart <= _ALIKE:
            return window, apart
        # The search may end in a hollow beside the right place, so it begins at several.
        for start in np.argsort(-scores, kind="stable")[:_STARTS]:
            found, there = align(picture, self._pictures[index], _windows()[start])
            if there < apart:
                window, apart = found, there
            if apart <= _ALIKE:
                break
        return window, apart

    def _flat_matches(self, picture: Picture) -> list[Match]:
        """Pictures of nothing but one colour are the same where the colour is."""
        mean = picture.pixels.mean(axis=(1, 2))
        found = []
        for index in np.flatnonzero(self._flat).tolist():
            apart = float(np.abs(self._pictures[index].pixels.mean(axis=(1, 2)) - mean).mean())
            if apart <= _FLAT:
                found.append(Match(index, round(apart, 2), WHOLE))
        return found


def same(first: Picture, second: Picture, settings: MatchSettings) -> bool:
    """Whether two whole pictures are the same; of one colour alone they are where the colour is."""
    if _is_flat(first) or _is_flat(second):
        apart = np.abs(first.pixels.mean(axis=(1, 2)) - second.pixels.mean(axis=(1, 2))).mean()
        return _is_flat(first) and _is_flat(second) and float(apart) <= _FLAT
    return difference(first, second) <= settings.difference


def difference(first: Picture, second: Picture) -> float:
    """Difference of the mean colours of two whole pictures in the block where it is greatest, of 255."""
    return worst_block(cells_of(first.pixels, FINE), second.pixels.astype(np.float32))


@lru_cache(1)
def _spans() -> tuple[tuple[float, float], ...]:
    """Start and end of each window along one side."""
    spans = []
    for size in _SIZES:
        count = round((1 - size) / _STEP) + 1
        spans += [(start, start + size) for start in np.linspace(0, 1 - size, count).tolist()]
    return tuple(spans)


@lru_cache(1)
def _windows() -> tuple[Window, ...]:
    return tuple((left, top, right, bottom) for top, bottom in _spans() for left, right in _spans())


def _normalised(cells: Array) -> Array:
    """(..., 3 * rows * columns) of length 1, without each channel's mean: light and contrast do not count."""
    centred = cells - cells.mean(axis=(-2, -1), keepdims=True)
    flat = centred.reshape(*centred.shape[:-3], -1)
    return flat / np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-6)


def _window_features(picture: Picture) -> Array:
    """(windows, 3 * 6 * 6) of one picture."""
    matrices = np.stack([matrix(start, end, _CELLS) for start, end in _spans()])
    rows = matrices[:, None] @ picture.pixels.astype(np.float32)  # (spans of y, 3, 6, 96)
    cells = rows[:, None] @ matrices[None, :, None].swapaxes(-1, -2)  # (spans of y, spans of x, 3, 6, 6)
    return _normalised(cells).reshape(len(matrices) ** 2, -1)


def _is_flat(picture: Picture) -> bool:
    return float(picture.pixels.astype(np.float32).std(axis=(1, 2)).max()) < _FLAT
