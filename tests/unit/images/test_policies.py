"""Policies: what of an image the tower sees, and how many visual tokens that gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmtune.errors import UserError
from mmtune.images.geometry import Grid, ViewGeometry, ViewTokens
from mmtune.images.policies import POLICIES, get_policy
from mmtune.images.policies.pad import PadPolicy

CLIP = ViewGeometry(size=16, patch=4)
SIGLIP = ViewGeometry(size=16, patch=4, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), fit="stretch")
TOKENS = ViewTokens(16, Grid(4, 4))


def _noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(POLICIES)),
    geometry=st.sampled_from([CLIP, SIGLIP]),
    width=st.integers(1, 300),
    height=st.integers(1, 300),
)
def test_any_size_gives_one_view_and_its_tokens(
    name: str, geometry: ViewGeometry, width: int, height: int
) -> None:
    policy = get_policy(name, geometry, TOKENS)
    views = policy.views(_noise(width, height))
    assert views.dtype == torch.uint8 and tuple(views.shape) == (1, 3, 16, 16)
    assert policy.token_count(width, height) == 16
    assert policy.assemble(torch.zeros(1, 16, 5), (width, height)).shape == (16, 5)


def test_square_keeps_the_centre_and_stretch_keeps_all() -> None:
    image = Image.new("RGB", (48, 16), (255, 0, 0))
    image.paste((0, 0, 255), (16, 0, 32, 16))
    cropped = get_policy("square", CLIP, TOKENS).views(image)[0]
    assert (cropped[2] == 255).float().mean() > 0.8 and (cropped[0] == 255).float().mean() < 0.1
    stretched = get_policy("square", SIGLIP, TOKENS).views(image)[0]
    assert (stretched[0] == 255).float().mean() > 0.5


def test_a_thin_strip_gives_nearly_what_resizing_it_whole_gives() -> None:
    image = _noise(8, 400)
    got = get_policy("square", CLIP, TOKENS).views(image)[0].int()
    whole = image.resize((16, 800), Image.Resampling.BICUBIC).crop((0, 392, 16, 408))
    expected = torch.from_numpy(np.asarray(whole).transpose(2, 0, 1).copy()).int()
    assert (got - expected).abs().max() <= 1


def test_a_strip_of_extreme_length_needs_no_more_memory_than_its_view() -> None:
    image = Image.new("RGB", (1, 60_000), (10, 200, 30))
    views = get_policy("square", ViewGeometry(336, 14), ViewTokens(576)).views(image)
    assert views[0, :, 100, 100].tolist() == [10, 200, 30]


def test_pad_shows_the_whole_image_on_the_truncated_mean_colour() -> None:
    policy = get_policy("pad", ViewGeometry(336, 14), ViewTokens(576))
    assert isinstance(policy, PadPolicy) and policy.colour == (122, 116, 104)
    view = policy.views(Image.new("RGB", (40, 20), (255, 255, 255)))[0]
    assert view[:, 0, 0].tolist() == [122, 116, 104]
    assert view[:, 335, 335].tolist() == [122, 116, 104]
    assert view[:, 168, 168].tolist() == [255, 255, 255]


def test_prepare_standardises() -> None:
    pixels = get_policy("square", SIGLIP, TOKENS).prepare(Image.new("RGB", (4, 4), (255, 0, 127)))
    assert pixels.dtype == torch.float32
    assert pixels[0, :, 3, 3].tolist() == pytest.approx([1.0, -1.0, 127 / 127.5 - 1], abs=1e-6)


def test_assemble_refuses_another_number_of_tokens() -> None:
    with pytest.raises(ValueError, match="1 view of 16 tokens"):
        get_policy("pad", CLIP, TOKENS).assemble(torch.zeros(2, 16, 5), (3, 3))


def test_an_unknown_policy_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'square'"):
        get_policy("squared", CLIP, TOKENS)
