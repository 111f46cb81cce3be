"""Masks as COCO writes them: outlines, run lengths, and run lengths packed into text."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.miniworld.formats.outlines import run_lengths
from data_builders.readers.fields import RowError
from data_builders.readers.outlines import mask_of, unpack_runs
from tests.unit.data_builders.readers.coco_by_hand import annotation, instances


def pack(runs: list[int]) -> str:
    """The text of run lengths, written the other way round than it is read."""
    out = ""
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run
        while True:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            out += chr(bits + (32 if more else 0) + 48)
            if not more:
                break
    return out


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=6).map(np.array))
def test_packed_runs_are_read(mask) -> None:
    runs = run_lengths(mask)
    assert unpack_runs(pack(runs)) == runs
    height, width = mask.shape
    read = mask_of({"size": [height, width], "counts": pack(runs)}, (width, height))
    assert read.counts == tuple(runs)
    edges = [0, *np.cumsum(read.counts).tolist()]
    inside = [
        position for index, (a, b) in enumerate(pairwise(edges)) if index % 2 for position in range(a, b)
    ]
    assert inside == np.flatnonzero(mask.ravel(order="F")).tolist()


def test_packed_runs_by_hand() -> None:
    assert unpack_runs("2341") == [2, 3, 4, 1 + 3]
    assert unpack_runs("0T3") == [0, 100]  # 100 is 3 * 32 + 4; the low bits come first, with 32 for "more"
    assert unpack_runs("455O") == [4, 5, 5, 5 - 1]


@pytest.mark.parametrize(
    "segmentation",
    [
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5]],
        [[float("nan")] * 6],
        {"size": [2, 2], "counts": [1]},
        {"size": [2], "counts": [4]},
        {"size": [2, 2], "counts": "~~"},
        {"size": [2, 2], "counts": "P"},
        "x",
    ],
)
def test_bad_masks_leave_the_object_without_one(put, read, segmentation) -> None:
    with pytest.raises(RowError):
        mask_of(segmentation, (2, 2))
    path = put("i.json", instances(annotation(1, 9, 18, [0, 0, 5, 5], segmentation=segmentation)))
    found, problems = read(path)
    assert found[0].objects[0].mask is None and "without its mask" in problems[0].reason
    assert "dog" in found[0].exhaustive_classes
