from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data_builders.frames import (
    LAYOUTS,
    ORIGINAL,
    PADDED_SQUARE,
    Frame,
    convert,
    from_bins,
    from_fractions,
    from_xyxy,
    to_bins,
    to_fractions,
    to_xyxy,
)
from data_builders.scenes import Region, Scene, SceneObject
from mmtune.errors import UserError
from mmtune.images.fitting import pad_to_square

quick = settings(max_examples=150, deadline=None, derandomize=True)
_sides = st.integers(1, 2000)
_frames = st.builds(Frame, st.booleans(), st.none() | st.tuples(_sides, _sides))
_whole = st.integers(-50, 2050)


@st.composite
def _placed(draw: st.DrawFn) -> tuple[tuple[float, ...], int, int]:
    """A box inside an image, and the image's size."""
    width, height = draw(_sides), draw(_sides)
    shares = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    others = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    return (shares[0] * width, others[0] * height, shares[1] * width, others[1] * height), width, height


@quick
@given(_placed(), _frames, _frames)
def test_boxes_go_from_frame_to_frame_and_back(placed, one, other) -> None:
    box, width, height = placed
    there = one.from_original(box, width, height)
    across, along = one.extent(width, height)
    assert all(-1e-9 <= there[i] <= across * (1 + 1e-12) for i in (0, 2))
    assert all(-1e-9 <= there[i] <= along * (1 + 1e-12) for i in (1, 3))
    assert one.to_original(there, width, height) == pytest.approx(box, rel=1e-9, abs=1e-7)
    by_way = convert(there, width, height, one, other)
    assert by_way == pytest.approx(other.from_original(box, width, height), rel=1e-9, abs=1e-7)
    assert convert(by_way, width, height, other, one) == pytest.approx(there, rel=1e-9, abs=1e-7)


@quick
@given(st.tuples(_whole, _whole, _whole, _whole), _sides, _sides)
def test_whole_numbers_survive_padding_exactly(box, width, height) -> None:
    assert PADDED_SQUARE.to_original(PADDED_SQUARE.from_original(box, width, height), width, height) == box
    assert ORIGINAL.from_original(box, width, height) == box


@pytest.mark.parametrize("size", [(5, 2), (2, 5), (7, 4), (4, 4), (3, 8)])
def test_the_padded_square_is_the_one_that_the_model_sees(size) -> None:
    """The pixel of every box in the image that the image policy pads."""
    width, height = size
    image = Image.new("RGB", size)
    for x in range(width):
        for y in range(height):
            image.putpixel((x, y), (x + 1, y + 1, 99))
    padded = pad_to_square(image, (0, 0, 0))
    assert PADDED_SQUARE.extent(width, height) == padded.size
    for x in range(width):
        for y in range(height):
            left, top, _, _ = PADDED_SQUARE.from_original((x, y, x + 1, y + 1), width, height)
            assert padded.getpixel((int(left), int(top))) == (x + 1, y + 1, 99)


@quick
@given(st.tuples(_whole, _whole, _whole, _whole), st.sampled_from(LAYOUTS))
def test_layouts_give_the_box_back(box, layout) -> None:
    assert to_xyxy(from_xyxy(box, layout), layout) == box
    assert from_xyxy(to_xyxy(box, layout), layout) == box


def test_layouts_by_hand() -> None:
    assert to_xyxy((10, 20, 30, 40), "xywh") == (10, 20, 40, 60)
    assert to_xyxy((10, 20, 30, 40), "cxcywh") == (-5, 0, 25, 40)
    assert from_xyxy((10, 20, 40, 60), "cxcywh") == (25, 40, 30, 40)


def test_llavas_coordinates_by_hand() -> None:
    """A 640 x 480 image stands 80 pixels down in its square of 640."""
    box = PADDED_SQUARE.from_original((64, 48, 320, 240), 640, 480)
    assert box == (64, 128, 320, 320)
    assert to_fractions(box, PADDED_SQUARE.extent(640, 480), digits=3) == (0.1, 0.2, 0.5, 0.5)
    assert PADDED_SQUARE.to_original(from_fractions((0.1, 0.2, 0.5, 0.5), (640, 640)), 640, 480) == (
        64,
        48,
        320,
        240,
    )
    assert Frame(True, (336, 336)).from_original((64, 48, 320, 240), 640, 480) == pytest.approx(
        (33.6, 67.2, 168, 168)
    )


def test_qwens_coordinates_by_hand() -> None:
    assert to_bins((64, 48, 320, 240), (640, 480)) == (100, 100, 500, 500)
    assert to_bins((64, 48, 640, 480), (640, 480), bins=999) == (100, 100, 999, 999)
    assert from_bins((100, 100, 500, 500), (640, 480)) == (64, 48, 320, 240)


@quick
@given(_placed(), st.sampled_from((999, 1000)))
def test_bins_are_off_by_half_a_step_at_most_and_come_back_whole(placed, bins) -> None:
    box, width, height = placed
    steps = to_bins(box, (width, height), bins)
    again = from_bins(steps, (width, height), bins)
    assert to_bins(again, (width, height), bins) == steps
    for value, other, side in zip(box, again, (width, height, width, height), strict=True):
        assert abs(value - other) <= side / bins / 2 + 1e-9


@quick
@given(_placed())
def test_fractions_come_back(placed) -> None:
    box, width, height = placed
    shares = to_fractions(box, (width, height))
    assert from_fractions(shares, (width, height)) == pytest.approx(box, rel=1e-12, abs=1e-12)
    assert to_fractions(box, (width, height), digits=2) == pytest.approx(shares, abs=0.005 + 1e-12)


def test_a_scene_moves_whole_and_says_where_it_is() -> None:
    thing = SceneObject("a", "dog", (10, 20, 30, 40))
    scene = Scene("s", None, 100, 50, (thing,), regions=(Region("r", "a dog", (0, 0, 100, 50), ("a",)),))
    moved = scene.in_frame(PADDED_SQUARE)
    assert moved.frame == PADDED_SQUARE and moved.frame.name == "padded square"
    assert moved.objects[0].box_xyxy == (10, 45, 30, 65) and moved.regions[0].box_xyxy == (0, 25, 100, 75)
    assert moved.extent == (100, 100) and (moved.width, moved.height) == (100, 50)
    assert moved.in_frame(ORIGINAL) == scene


def test_unknown_sizes_and_empty_frames_are_refused() -> None:
    with pytest.raises(UserError, match="size"):
        Scene("s", None, 0, 0, (SceneObject("a", "dog", (0, 0, 1, 1)),)).in_frame(PADDED_SQUARE)
    with pytest.raises(UserError):
        Frame(size=(0, 5))
