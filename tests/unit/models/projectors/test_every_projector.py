"""Every projector of the registry: shapes, gradients, determinism, instructions, precision."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F

from mmtune.errors import UserError
from mmtune.images.geometry import Grid, ViewTokens
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors import PROJECTORS, Text, build_projector, full_settings
from tests.tiny_projectors import NAMES, READERS, tiny_projector
from tests.unit.models.projectors.features import GRID, LANGUAGE, VISION, features, text


def needs_grid(projector):
    """Whether it refuses features without a grid, as it has to do with the cure if it does."""
    try:
        projector.out_tokens(ViewTokens(GRID.cells + 1))
    except UserError:
        return True
    return False


@pytest.mark.parametrize("name", NAMES)
def test_every_projector_keeps_its_promise_of_tokens(name):
    projector = build_projector(tiny_projector(name), VISION, LANGUAGE)
    for grid in (Grid(2, 3), Grid(4, 4), Grid(1, 1)):
        tokens = ViewTokens(grid.cells, grid)
        out = projector(features(2, grid), grid)
        assert out.shape == (2, projector.out_tokens(tokens).count, LANGUAGE)


@pytest.mark.parametrize("name", NAMES)
def test_features_without_a_grid_work_or_are_refused_with_the_cure(name):
    projector = build_projector(tiny_projector(name), VISION, LANGUAGE)
    tokens = ViewTokens(GRID.cells + 1)
    if needs_grid(projector):
        cure = f"{name} needs a grid.*select: patch"
        with pytest.raises(UserError, match=cure):
            projector.out_tokens(tokens)
        with pytest.raises(UserError, match=cure):
            projector(torch.randn(2, tokens.count, VISION), None)
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


def test_every_file_of_the_registry_says_its_name():
    for name, cls in PROJECTORS.items():
        assert cls.__module__.endswith(f".{name}")


def test_the_table_in_the_documents_is_complete(root):
    rows = re.findall(
        r"^\| `(\w+)` \|.*\|.*\| (.*) \|.*\|$", (root / "docs" / "projectors.md").read_text(), re.M
    )
    told = {name: settings for name, settings in rows if name in PROJECTORS}
    for name in PROJECTORS:
        own = full_settings(ProjectorConfig(name))
        assert told.get(name) == (", ".join(f"`{key}` {value}" for key, value in own.items()) or "none"), name


def test_the_documents_name_those_that_need_a_grid(root):
    told = re.search(
        r"^.*Every projector but (.*) also works on features in no grid",
        (root / "docs" / "projectors.md").read_text(),
        re.M,
    )
    needing = {name for name in NAMES if needs_grid(build_projector(tiny_projector(name), VISION, LANGUAGE))}
    assert told and set(re.findall(r"`(\w+)`", told[1])) == needing
