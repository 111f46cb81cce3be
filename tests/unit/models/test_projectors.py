"""Projectors: shapes, the published architecture, reproducible initial weights."""

from __future__ import annotations

import pytest
import torch

from mmtune.errors import UserError
from mmtune.images.geometry import Grid, ViewTokens
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors import PROJECTORS, build_projector


@pytest.mark.parametrize("name", sorted(PROJECTORS))
def test_every_projector_keeps_its_promise_of_tokens(name):
    projector = build_projector(ProjectorConfig(name), 24, 32)
    tokens = ViewTokens(6, Grid(2, 3))
    out = projector(torch.randn(5, 6, 24), tokens.grid)
    assert out.shape == (5, projector.out_tokens(tokens).count, 32)


def test_mlp_is_linear_exact_gelu_linear():
    projector = build_projector(ProjectorConfig("mlp", 2), 24, 32)
    first, gelu, second = projector.layers
    assert gelu.approximate == "none"
    x = torch.randn(2, 3, 24)
    by_hand = x @ first.weight.T + first.bias
    by_hand = by_hand * 0.5 * (1 + torch.erf(by_hand / 2**0.5))
    torch.testing.assert_close(projector(x, None), by_hand @ second.weight.T + second.bias)


def test_depth_counts_linear_layers():
    for depth in (1, 2, 4):
        layers = build_projector(ProjectorConfig("mlp", depth), 24, 32).layers
        assert sum(isinstance(layer, torch.nn.Linear) for layer in layers) == depth


def test_seed_gives_the_weights_and_leaves_the_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = build_projector(ProjectorConfig(), 8, 8, seed=1).state_dict()
    assert torch.equal(torch.rand(3), expected)
    same = build_projector(ProjectorConfig(), 8, 8, seed=1).state_dict()
    other = build_projector(ProjectorConfig(), 8, 8, seed=2).state_dict()
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not torch.equal(one["layers.0.weight"], other["layers.0.weight"])


def test_initial_weights_are_torch_defaults():
    weight = build_projector(ProjectorConfig("linear"), 64, 64).linear.weight
    assert weight.abs().max() <= 64**-0.5 and weight.std() > 0.5 * 64**-0.5


def test_unknown_name_gets_the_nearest():
    with pytest.raises(UserError, match="did you mean 'mlp'"):
        build_projector(ProjectorConfig("mpl"), 8, 8)
