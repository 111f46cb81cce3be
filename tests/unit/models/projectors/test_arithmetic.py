"""The arithmetic of single projectors, where it can be told apart by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.images.geometry import Grid
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors import build_projector
from mmtune.models.projectors.d_abstractor import DeformableAttention
from mmtune.models.projectors.grids import line_positions, pool, positions, shuffle
from tests.tiny_projectors import tiny_projector
from tests.unit.models.projectors.features import GRID, LANGUAGE, VISION, features


def test_mlp_is_linear_exact_gelu_linear():
    projector = build_projector(ProjectorConfig("mlp", 2), 24, 32)
    first, gelu, second = projector.layers
    assert gelu.approximate == "none"
    x = torch.randn(2, 3, 24)
    by_hand = x @ first.weight.T + first.bias
    by_hand = by_hand * 0.5 * (1 + torch.erf(by_hand / 2**0.5))
    torch.testing.assert_close(projector(x, None), by_hand @ second.weight.T + second.bias)


def test_initial_weights_are_torch_defaults():
    weight = build_projector(ProjectorConfig("linear"), 64, 64).linear.weight
    assert weight.abs().max() <= 64**-0.5 and weight.std() > 0.5 * 64**-0.5


@settings(max_examples=25, deadline=None, derandomize=True)
@given(rows=st.integers(1, 9), cols=st.integers(1, 9), out_rows=st.integers(1, 9), out_cols=st.integers(1, 9))
def test_pooling_is_adaptive_average_pooling(rows, cols, out_rows, out_cols):
    grid, out = Grid(rows, cols), Grid(out_rows, out_cols)
    x = torch.randn(2, grid.cells, 3, generator=torch.Generator().manual_seed(rows))
    maps = x.transpose(1, 2).unflatten(2, (rows, cols))
    expected = F.adaptive_avg_pool2d(maps, (out_rows, out_cols)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(pool(x, grid, out), expected)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(rows=st.integers(1, 7), cols=st.integers(1, 7), factor=st.integers(1, 3))
def test_shuffling_loses_no_number(rows, cols, factor):
    grid = Grid(rows, cols)
    x = torch.randn(2, grid.cells, 3)
    out = shuffle(x, grid, factor)
    assert out.shape[2] == 3 * factor**2
    given_values, found = x.flatten(1).sort().values, out.flatten(1)
    for before, after in zip(given_values, found, strict=True):
        assert torch.equal(after[after != 0].sort().values, before)


def test_a_block_is_the_patches_of_one_place():
    grid = Grid(2, 4)
    x = torch.arange(8.0).view(1, 8, 1)
    assert shuffle(x, grid, 2).tolist() == [[[0, 1, 4, 5], [2, 3, 6, 7]]]


@pytest.mark.parametrize("width", [1, 2, 7, 32])
def test_positions_tell_every_cell_apart(width):
    found = positions(Grid(5, 6), width, torch.device("cpu"))
    assert found.shape == (30, width)
    if width > 2:
        assert torch.unique(found, dim=0).shape[0] == 30
    assert line_positions(4, width, torch.device("cpu")).shape == (4, width)


def test_deformable_attention_finds_what_stands_at_its_points():
    """Without offsets a query reads the value at its own point, halfway between patches their mean."""
    layer = DeformableAttention(8, heads=2, points=3)
    with torch.no_grad():
        layer.offset.bias.zero_()
        for linear in (layer.value, layer.out):
            linear.weight.copy_(torch.eye(8))
            linear.bias.zero_()
    grid = Grid(2, 3)
    seen = torch.randn(1, 6, 8)
    points = torch.tensor([[0.5 / 3, 0.25], [2.5 / 3, 0.75], [1 / 3, 0.25]])
    out = layer(torch.randn(1, 3, 8), points, seen, grid)
    torch.testing.assert_close(out[0, 0], seen[0, 0])
    torch.testing.assert_close(out[0, 1], seen[0, 5])
    torch.testing.assert_close(out[0, 2], (seen[0, 0] + seen[0, 1]) / 2)


def test_deformable_attention_is_transformers_own():
    """The same weights in Deformable DETR's layer of transformers give the same numbers."""
    from transformers import DeformableDetrConfig
    from transformers.models.deformable_detr import modeling_deformable_detr as theirs

    ours = DeformableAttention(16, heads=4, points=3)
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    config = DeformableDetrConfig(d_model=16, num_feature_levels=1, disable_custom_kernels=True)
    other = theirs.DeformableDetrMultiscaleDeformableAttention(config, num_heads=4, n_points=3)
    pairs = {
        "sampling_offsets": ours.offset,
        "attention_weights": ours.weight,
        "value_proj": ours.value,
        "output_proj": ours.out,
    }
    for name, layer in pairs.items():
        getattr(other, name).load_state_dict(layer.state_dict())
    queries, seen, points = torch.randn(2, 5, 16), torch.randn(2, 12, 16), torch.rand(5, 2)
    expected = other(
        queries,
        encoder_hidden_states=seen,
        reference_points=points.expand(2, -1, -1).unsqueeze(2),
        spatial_shapes=torch.tensor([[3, 4]]),
        spatial_shapes_list=[(3, 4)],
        level_start_index=torch.tensor([0]),
    )[0]
    torch.testing.assert_close(ours(queries, points, seen, Grid(3, 4)), expected, atol=1e-5, rtol=1e-4)


def test_the_first_step_of_a_dynamic_mlp_is_the_static_one():
    projector = build_projector(tiny_projector("dynamic_mlp"), VISION, LANGUAGE)
    inside = F.gelu(projector.first(features()))
    torch.testing.assert_close(projector(features(), GRID), projector.second(inside))


def test_a_dynamic_mlp_treats_one_patch_by_what_is_around_it():
    projector = build_projector(tiny_projector("dynamic_mlp"), VISION, LANGUAGE)
    torch.nn.init.normal_(projector.first_expert.make_up.weight)
    one, other = features(), features()
    other[:, 1:] += 1
    assert (projector(one, GRID)[:, 0] - projector(other, GRID)[:, 0]).abs().max() > 1e-3
