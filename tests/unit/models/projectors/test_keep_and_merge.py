"""Fewer tokens of any projector: which are kept, which are merged."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtune.images.geometry import ViewTokens
from mmtune.models.config import ProjectorConfig
from mmtune.models.projectors import build_projector
from mmtune.models.projectors.keep_and_merge import clusters, keep_and_merge
from tests.tiny_projectors import NAMES, READERS, tiny_projector
from tests.unit.models.projectors.features import GRID, LANGUAGE, VISION, features, text


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
