"""Policies: what of an image the tower sees, and how many visual tokens that gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch._subclasses.fake_tensor import FakeTensorMode

from mmtune.errors import UserError
from mmtune.images.geometry import Grid, ViewGeometry, ViewTokens
from mmtune.images.policies import get_policy
from mmtune.images.policies.pad import PadPolicy
from mmtune.images.settings import ImagesConfig, Merge
from mmtune.images.tiling import patch_grid

CLIP = ViewGeometry(size=16, patch=4)
SIGLIP = ViewGeometry(size=16, patch=4, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), fit="stretch")
TOKENS = ViewTokens(16, Grid(4, 4))


def _noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


SIZES = {"width": st.integers(1, 300), "height": st.integers(1, 300)}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(name=st.sampled_from(["pad", "square"]), geometry=st.sampled_from([CLIP, SIGLIP]), **SIZES)
def test_any_size_gives_one_view_and_its_tokens(
    name: str, geometry: ViewGeometry, width: int, height: int
) -> None:
    policy = get_policy(name, geometry, TOKENS)
    views = policy.views(_noise(width, height))
    assert views.dtype == torch.uint8 and tuple(views.shape) == (1, 3, 16, 16)
    assert policy.token_count(width, height) == policy.largest == 16
    assert policy.assemble(torch.zeros(1, 16, 5), (width, height)).shape == (16, 5)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(name=st.sampled_from(["anyres", "anyres_max_9"]), merge=st.sampled_from(["unpad", "flat"]), **SIZES)
def test_any_size_gives_tiles_and_the_tokens_planned_for_them(
    name: str, merge: Merge, width: int, height: int
) -> None:
    policy = get_policy(name, CLIP, TOKENS, ImagesConfig(merge=merge))
    views = policy.views(_noise(width, height))
    assert views.dtype == torch.uint8 and views.shape[0] >= 2 and tuple(views.shape[1:]) == (3, 16, 16)
    tokens = policy.assemble(torch.zeros(len(views), 16, 5), (width, height), torch.ones(5))
    assert tokens.shape == (policy.token_count(width, height), 5)
    assert len(tokens) <= policy.largest
    assert policy.uses_newline == (merge == "unpad") and (policy.uses_newline or not tokens.any())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(most=st.integers(4, 40), multiple=st.sampled_from([1, 2]), fill=st.booleans(), **SIZES)
def test_native_keeps_shape_and_limit(most: int, multiple: int, fill: bool, width: int, height: int) -> None:
    policy = get_policy(
        "native", CLIP, TOKENS, ImagesConfig(max_patches=most, grid_multiple=multiple, fill=fill)
    )
    views = policy.views(_noise(width, height))
    (grid,) = policy.patch_grids([(width, height)]) or ()
    assert tuple(views.shape) == (grid.cells, 3, 4, 4)
    assert grid.rows % multiple == grid.cols % multiple == 0
    assert policy.token_count(width, height) == grid.cells <= policy.largest <= most
    assert policy.assemble(torch.zeros(1, grid.cells, 5), (width, height)).shape == (grid.cells, 5)
    if width >= 2 * height:
        assert grid.cols >= grid.rows


def test_a_long_strip_is_padded_in_little_memory() -> None:
    strip = Image.new("RGB", (900_000, 2), "red")
    seen = get_policy("pad", CLIP, TOKENS).views(strip)[0]
    assert seen.shape == (3, 16, 16) and seen[0, 7:9].max() > seen[0, 0].max()


def test_pixels_are_normalised_where_they_are() -> None:
    """Without a GPU, by tensors that only know where they would be and refuse to be mixed."""
    with FakeTensorMode():
        views = torch.empty(2, 3, 4, 4, dtype=torch.uint8, device="cuda:0")
        assert get_policy("square", CLIP, TOKENS).normalise(views).device.type == "cuda"


def test_no_image_gives_more_tokens_than_the_largest() -> None:
    """Just below the factor from which on tokens are scaled down there are more than on a full canvas."""
    wide = get_policy("anyres_max_9", ViewGeometry(384, 14), ViewTokens(729, Grid(27, 27)))
    assert 8700 < wide.token_count(1123, 1371) <= wide.largest < 1.21 * 9 * 729 + 1000

    def pooled(tokens: ViewTokens) -> ViewTokens:
        assert tokens.grid is not None
        return ViewTokens(min(4, tokens.grid.rows) * min(4, tokens.grid.cols))

    native = get_policy("native", CLIP, TOKENS, ImagesConfig(max_patches=12), pooled)
    assert native.token_count(16, 12) == native.largest == 12


def test_native_patches_are_the_image_itself_where_it_fits() -> None:
    image = _noise(24, 12)
    patches = get_policy("native", CLIP, TOKENS, ImagesConfig(max_patches=18)).views(image)
    whole = torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())
    assert len(patches) == 18
    assert torch.equal(patches[6 * 1 + 2], whole[:, 4:8, 8:12])


@pytest.mark.parametrize(
    "size", [(640, 480), (100, 37), (1000, 10), (3, 900), (16, 16), (2000, 1500), (1, 1)]
)
@pytest.mark.parametrize("most", [64, 256])
def test_filled_grids_are_those_of_siglip_2(size: tuple[int, int], most: int) -> None:
    module = pytest.importorskip("transformers.models.siglip2.image_processing_siglip2")
    height, width = module.get_image_size_for_max_num_patches(size[1], size[0], 16, most)
    assert patch_grid(*size, 16, most, fill=True) == Grid(height // 16, width // 16)


def test_a_frame_of_a_video_is_one_view_under_every_policy() -> None:
    image = _noise(90, 40)
    for name in ("square", "pad", "anyres", "anyres_max_9"):
        policy = get_policy(name, CLIP, TOKENS)
        views = policy.views(image, frame=True)
        assert tuple(views.shape) == (1, 3, 16, 16)
        tokens = policy.assemble(torch.zeros(1, 16, 5), image.size, torch.ones(5))
        assert len(tokens) == policy.token_count(*image.size, frame=True) == 16 + policy.uses_newline


def test_the_base_view_is_the_squeezed_image_and_tiles_keep_their_shape() -> None:
    image = Image.new("RGB", (64, 16), (255, 0, 0))
    image.paste((0, 0, 255), (0, 0, 32, 16))
    views = get_policy("anyres", CLIP, TOKENS).views(image)
    assert len(views) == 4  # three tiles side by side
    base = views[0].float()
    assert base[2, :, :6].mean() > 200 and base[0, :, 10:].mean() > 200
    assert views[1][:, 0].sum() == 0, "black border above the picture"


@pytest.mark.parametrize(
    ("settings_", "tokens", "message"),
    [
        (ImagesConfig(pinpoints=[[16, 20]]), TOKENS, "16 x 20 pixels is not made of whole views of 16"),
        (ImagesConfig(pinpoints="2 by 2"), TOKENS, "no canvas in '2 by 2'"),
        (ImagesConfig(), ViewTokens(16), "these have no rows"),
    ],
)
def test_what_anyres_cannot_lay_out_is_refused(settings_, tokens, message) -> None:
    with pytest.raises(UserError, match=message):
        get_policy("anyres", CLIP, tokens, settings_)


def test_tokens_without_rows_can_be_laid_out_flat() -> None:
    policy = get_policy(
        "anyres", CLIP, ViewTokens(7), ImagesConfig(merge="flat", pinpoints="(1x1),...,(2x2)")
    )
    assert policy.token_count(30, 30) == 5 * 7
    order = torch.arange(35.0).view(5, 7, 1)
    assert policy.assemble(order, (30, 30)).flatten().tolist() == list(range(35))


def test_a_limit_below_one_grid_is_refused() -> None:
    with pytest.raises(UserError, match="3 patches cannot make a grid of multiples of 2"):
        get_policy("native", CLIP, TOKENS, ImagesConfig(max_patches=3, grid_multiple=2))
    with pytest.raises(UserError, match=r"model\.images\.max_patches"):
        ImagesConfig(max_patches=0)


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
