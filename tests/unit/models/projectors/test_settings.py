"""What a projector can be told, and what is refused with its name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mmtune.errors import UserError
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors import PROJECTORS, build_projector, full_settings
from tests.tiny_projectors import NAMES, tiny_projector
from tests.unit.models.projectors.features import LANGUAGE, VISION


@pytest.mark.parametrize(("name", "depth"), [("mlp2x_gelu", 2), ("mlp1x", 1), ("mlp4x_gelu", 4)])
def test_llavas_own_names_are_understood(name, depth):
    assert ProjectorConfig(name) == ProjectorConfig("mlp", depth)


def test_no_layer_at_all_is_refused():
    with pytest.raises(UserError, match="depth"):
        ProjectorConfig("mlp0x_gelu")


def test_a_name_that_counts_layers_is_not_contradicted():
    assert ProjectorConfig("mlp3x_gelu", 3) == ProjectorConfig("mlp", 3)
    with pytest.raises(UserError, match="mlp2x_gelu has 2 linear layers and not 3"):
        ProjectorConfig("mlp2x_gelu", 3)


def test_unknown_name_gets_the_nearest():
    with pytest.raises(UserError, match="did you mean 'mlp'"):
        build_projector(ProjectorConfig("mpl"), 8, 8)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("qformer", {"querys": 4}, "unknown setting 'querys'.*did you mean 'queries'"),
        ("linear", {"tokens": 4}, "there are no settings here"),
        ("qformer", {"queries": 0}, "queries must be a whole number of 1 or more, not 0"),
        ("qformer", {"queries": True}, "whole number"),
        ("qformer", {"queries": "many"}, "whole number"),
        ("qformer", {"heads": 5}, "5 heads do not divide"),
        ("d_abstractor", {"heads": 7}, "7 heads do not divide"),
        ("resampler", {"heads": 5}, "5 heads do not divide"),
        ("pool", {"tokens": 10}, "10 visual tokens do not fill a square grid.*such as 9"),
        ("c_abstractor", {"tokens": 7}, "do not fill a square grid"),
        ("grounded_qformer", {"depth": 0}, "not inside the language model"),
        ("grounded_qformer", {"depth": "deep"}, "must be a number"),
        ("keep_and_merge", {"of": "mlp"}, "must be a mapping"),
        ("keep_and_merge", {"of": {"nam": "mlp"}}, "describes no projector"),
        ("keep_and_merge", {"of": {"name": "mpl"}}, "did you mean 'mlp'"),
    ],
)
def test_wrong_settings_are_refused_with_their_name(name, given, message):
    with pytest.raises(UserError, match=message) as caught:
        build_projector(ProjectorConfig(name, settings=given), VISION, LANGUAGE)
    assert caught.value.where.startswith("model.projector")


def test_settings_are_compared_with_their_defaults():
    assert full_settings(ProjectorConfig("qformer")) == full_settings(
        ProjectorConfig("qformer", settings={"queries": 32})
    )
    assert full_settings(ProjectorConfig("linear")) == {}


@pytest.mark.parametrize("name", NAMES)
def test_depth_counts_linear_layers_or_is_refused(name):
    """No projector takes a depth and then leaves it aside."""
    if not PROJECTORS[name].ends_in_mlp:
        with pytest.raises(UserError, match=f"the projector {name} has no MLP") as caught:
            build_projector(replace(tiny_projector(name), depth=2), VISION, LANGUAGE)
        assert caught.value.where == "model.projector.depth"
        return
    for depth in (1, 2, 4, None):
        layers = build_projector(replace(tiny_projector(name), depth=depth), VISION, LANGUAGE).layers
        assert sum(isinstance(layer, torch.nn.Linear) for layer in layers) == (depth or 2)
