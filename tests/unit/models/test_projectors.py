"""Projectors: shapes, gradients, determinism, and the arithmetic of each where it can be told apart by hand."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.errors import UserError
from mmtune.images.geometry import Grid, ViewTokens
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors import PROJECTORS, Text, build_projector, full_settings
from mmtune.models.projectors.d_abstractor import DeformableAttention
from mmtune.models.projectors.grids import line_positions, pool, positions, shuffle
from mmtune.models.projectors.keep_and_merge import clusters, keep_and_merge
from tests.tiny_projectors import NAMES, READERS, tiny_projector

VISION, LANGUAGE = 24, 32
GRID = Grid(4, 5)
NEED_GRID = {"pixel_shuffle", "pool", "c_abstractor", "d_abstractor"}


def features(views: int = 3, grid: Grid = GRID, seed: int = 0) -> torch.Tensor:
    return torch.randn(views, grid.cells, VISION, generator=torch.Generator().manual_seed(seed))


def text(*lengths: int, seed: int = 0) -> Text:
    longest = max([*lengths, 1])
    states = torch.randn(len(lengths), longest, LANGUAGE, generator=torch.Generator().manual_seed(seed))
    return Text(states, torch.arange(longest) < torch.tensor(lengths).unsqueeze(1))


@pytest.mark.parametrize("name", NAMES)
def test_every_projector_keeps_its_promise_of_tokens(name):
    for config in (ProjectorConfig(name), tiny_projector(name)):
        projector = build_projector(config, VISION, LANGUAGE)
        for grid in (Grid(2, 3), Grid(4, 4), Grid(1, 1)):
            tokens = ViewTokens(grid.cells, grid)
            out = projector(features(2, grid), grid)
            assert out.shape == (2, projector.out_tokens(tokens).count, LANGUAGE)


@pytest.mark.parametrize("name", NAMES)
def test_features_without_a_grid_work_or_are_refused_with_the_cure(name):
    projector = build_projector(tiny_projector(name), VISION, LANGUAGE)
    tokens = ViewTokens(GRID.cells + 1)
    if name in NEED_GRID:
        with pytest.raises(UserError, match=f"{name} needs a grid.*select: patch"):
            projector.out_tokens(tokens)
    else:
        out = projector(torch.randn(2, tokens.count, VISION), None)
        assert out.shape == (2, projector.out_tokens(tokens).count, LANGUAGE)


@pytest.mark.parametrize("instructed", [False, True], ids=["silent", "instructed"])
@pytest.mark.parametrize("name", NAMES)
def test_every_weight_gets_a_gradient(name, instructed):
    projector = build_projector(tiny_projector(name), VISION, LANGUAGE)
    seen = features().requires_grad_()
    out = projector(seen, GRID, text(3, 0, 5) if instructed else None)
    out.square().sum().backward()
    assert [n for n, p in projector.named_parameters() if p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in projector.parameters())
    assert (seen.grad.abs().amax(2) > 0).all(), "no patch may be left out of sight"


@pytest.mark.parametrize("name", NAMES)
def test_tokens_not_kept_give_weights_a_gradient_of_zero(name):
    """The path of a row without images."""
    projector = build_projector(tiny_projector(name), VISION, LANGUAGE)
    projector(features(1), GRID)[0, :0].sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() == 0 for p in projector.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_an_image_gives_the_same_tokens_alone_and_beside_others(name):
    projector = build_projector(tiny_projector(name), VISION, LANGUAGE)
    images, words = features(), text(2, 0, 4)
    together = projector(images, GRID, words)
    assert torch.equal(together, projector(images, GRID, words))
    for place, length in enumerate((2, 0, 4)):
        states = words.states[place : place + 1, : max(length, 1)]
        own = Text(states, words.real[place : place + 1, : max(length, 1)])
        alone = projector(images[place : place + 1], GRID, own)
        torch.testing.assert_close(alone[0], together[place], atol=1e-5, rtol=1e-4)
    assert (together[0] - together[1]).abs().max() > 1e-4, "another image gives other tokens"


@pytest.mark.parametrize("name", NAMES)
def test_only_readers_hear_the_instruction(name):
    projector = build_projector(tiny_projector(name), VISION, LANGUAGE)
    one, other = (projector(features(), GRID, text(3, 3, 3, seed=seed)) for seed in (0, 1))
    assert projector.reads_text == (name in READERS)
    assert ((one - other).abs().amax((1, 2)) > 1e-4).all() == projector.reads_text
    assert torch.equal(one, other) != projector.reads_text


@pytest.mark.parametrize("name", READERS)
def test_readers_know_the_order_of_words_and_no_padding(name):
    projector = build_projector(tiny_projector(name), VISION, LANGUAGE)
    for parameter in projector.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)  # as they start, a word moves little
    words = text(3, 3, 3)
    out = projector(features(), GRID, words)
    turned = projector(features(), GRID, Text(words.states.flip(1), words.real))
    assert (out - turned).abs().max() > 1e-3
    padded = Text(torch.cat([words.states, torch.full((3, 2, LANGUAGE), 9.0)], 1), F.pad(words.real, (0, 2)))
    torch.testing.assert_close(projector(features(), GRID, padded), out, atol=1e-5, rtol=1e-4)
    silent = Text(words.states, torch.zeros_like(words.real))
    torch.testing.assert_close(projector(features(), GRID, silent), projector(features(), GRID))


@pytest.mark.parametrize("name", NAMES)
def test_pure_bfloat16_and_autocast(name):
    projector = build_projector(tiny_projector(name), VISION, LANGUAGE)
    exact = projector(features(), GRID, text(2, 3, 1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = projector(features(), GRID, text(2, 3, 1))
    pure = projector.to(torch.bfloat16)(features(), GRID, text(2, 3, 1))
    pure.float().sum().backward()
    for out in (mixed, pure):
        assert (out.float() - exact).norm() < 0.1 * exact.norm()


@pytest.mark.parametrize("name", NAMES)
def test_seed_gives_the_weights_and_leaves_the_random_state_alone(name):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = build_projector(tiny_projector(name), VISION, LANGUAGE, seed=1).state_dict()
    assert torch.equal(torch.rand(3), expected)
    same = build_projector(tiny_projector(name), VISION, LANGUAGE, seed=1).state_dict()
    other = build_projector(tiny_projector(name), VISION, LANGUAGE, seed=2).state_dict()
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)
    meta = build_projector(tiny_projector(name), VISION, LANGUAGE, meta=True)
    assert {n: t.shape for n, t in meta.state_dict().items()} == {n: t.shape for n, t in one.items()}
    assert all(t.is_meta for t in meta.state_dict().values())


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


@pytest.mark.parametrize(("name", "depth"), [("mlp2x_gelu", 2), ("mlp1x", 1), ("mlp4x_gelu", 4)])
def test_llavas_own_names_are_understood(name, depth):
    assert ProjectorConfig(name) == ProjectorConfig("mlp", depth)


def test_no_layer_at_all_is_refused():
    with pytest.raises(UserError, match="depth"):
        ProjectorConfig("mlp0x_gelu")


def test_initial_weights_are_torch_defaults():
    weight = build_projector(ProjectorConfig("linear"), 64, 64).linear.weight
    assert weight.abs().max() <= 64**-0.5 and weight.std() > 0.5 * 64**-0.5


def test_unknown_name_gets_the_nearest():
    with pytest.raises(UserError, match="did you mean 'mlp'"):
        build_projector(ProjectorConfig("mpl"), 8, 8)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("qformer", {"querys": 4}, "unknown setting 'querys'.*did you mean 'queries'"),
        ("linear", {"tokens": 4}, "has no settings"),
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


@settings(max_examples=25, deadline=None, derandomize=True)
@given(tokens=st.integers(2, 20), keep=st.integers(1, 8), merge=st.integers(1, 6), same=st.booleans())
def test_every_token_is_kept_or_merged_once(tokens, keep, merge, same):
    if keep + merge > tokens:
        return
    x = torch.randn(2, tokens, 5, generator=torch.Generator().manual_seed(tokens))
    shares = keep_and_merge(torch.ones_like(x) if same else x, keep, merge)
    assert shares.shape == (2, keep + merge, tokens)
    torch.testing.assert_close(shares.sum(2), torch.ones(2, keep + merge))
    assert ((shares > 0).sum(1) == 1).all()
    assert (shares[:, :keep].max(2).values == 1).all()
    first = (shares > 0).int().argmax(2)
    for part in (first[:, :keep], first[:, keep:]):
        assert (part.diff(dim=1) > 0).all(), "tokens stay in the order of the image"


def test_what_stands_out_is_kept_and_what_is_alike_is_merged():
    x = torch.zeros(1, 8, 4)
    x[0, :, 0] = 1.0
    x[0, 2], x[0, 5] = torch.tensor([9.0, 1, 0, 0]), torch.tensor([8.0, 0, 1, 0])
    x[0, 6:, 3] = 5.0
    shares = keep_and_merge(x, keep=2, merge=2)
    assert [(row > 0).nonzero().flatten().tolist() for row in shares[0]] == [[2], [5], [0, 1, 3, 4], [6, 7]]


def test_clusters_are_never_empty():
    assert clusters(F.normalize(torch.ones(1, 6, 3), dim=2), 4).unique().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("inside", [name for name in NAMES if name != "keep_and_merge"])
def test_tokens_of_any_projector_can_be_reduced(inside):
    given_tokens = build_projector(tiny_projector(inside), VISION, LANGUAGE).out_tokens(
        ViewTokens(GRID.cells, GRID)
    )
    config = tiny_projector(inside)
    wrapped = tiny_projector(
        "keep_and_merge", of={"name": inside, "settings": config.settings}, keep=2, merge=1
    )
    projector = build_projector(wrapped, VISION, LANGUAGE)
    assert projector.out_tokens(ViewTokens(GRID.cells, GRID)).count == min(3, given_tokens.count)
    assert projector(features(), GRID, text(1, 2, 3)).shape[1] == min(3, given_tokens.count)
    assert projector.reads_text == (inside in READERS)


def test_the_reduction_itself_has_no_weights():
    alone = build_projector(ProjectorConfig("mlp"), VISION, LANGUAGE)
    wrapped = build_projector(tiny_projector("keep_and_merge"), VISION, LANGUAGE)
    count = [sum(p.numel() for p in projector.parameters()) for projector in (alone, wrapped)]
    assert count[0] == count[1]
    shares = keep_and_merge(features(), 6, 3)
    torch.testing.assert_close(wrapped(features(), GRID), shares @ wrapped.inside(features(), GRID))


def test_every_file_of_the_registry_says_its_name():
    for name, cls in PROJECTORS.items():
        assert cls.__module__.endswith(f".{name}")


def test_the_table_in_the_documents_is_complete(root):
    rows = re.findall(r"^\| `(\w+)` \|.*\|.*\| (.*) \|.*\|$", (root / "docs" / "models.md").read_text(), re.M)
    told = {name: settings for name, settings in rows if name in PROJECTORS}
    for name in PROJECTORS:
        own = full_settings(ProjectorConfig(name))
        assert told.get(name) == (", ".join(f"`{key}` {value}" for key, value in own.items()) or "none"), name
