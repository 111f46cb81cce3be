"""The cache with free room holds what transformers' own holds."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.cache_utils import DynamicLayer

from mmtune.decode.cache import Rows
from mmtune.decode.growing import GrowingLayer

updates = st.lists(
    st.one_of(st.integers(1, 40), st.lists(st.integers(0, 1), min_size=1, max_size=3)), max_size=12
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(updates, st.integers(0, 30))
def test_it_holds_what_the_copying_layer_holds(steps: list[int | list[int]], room: int) -> None:
    """A number appends so many tokens; a list keeps those rows."""
    growing, copying = GrowingLayer(room), DynamicLayer()
    rows = 2
    for step in steps:
        if isinstance(step, int):
            new = torch.randn(2, rows, 3, step, 4)
            for ours, theirs in zip(
                growing.update(new[0], new[1]), copying.update(new[0], new[1]), strict=True
            ):
                assert torch.equal(ours, theirs)
        else:
            index = torch.tensor([min(row, rows - 1) for row in step])
            growing.batch_select_indices(index)
            copying.batch_select_indices(index)
            if copying.get_seq_length():
                rows = len(index)
        assert growing.get_seq_length() == copying.get_seq_length()


def test_it_does_not_copy_at_every_token() -> None:
    layer = GrowingLayer(room=8)
    layer.update(torch.zeros(1, 1, 5, 2), torch.zeros(1, 1, 5, 2))
    places = set()
    for _ in range(8):
        layer.update(torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2))
        places.add(layer.keys.data_ptr())
    assert len(places) == 1


def test_copies_do_not_write_into_each_other() -> None:
    rows = Rows.empty(1, torch.device("cpu"))
    rows.cache.update(torch.ones(1, 1, 4, 2), torch.ones(1, 1, 4, 2), 0)
    rows.real = torch.ones(1, 4, dtype=torch.bool)
    copies = rows.copied(torch.tensor([0, 0, 0]), room=2)
    copies.cache.update(torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 1, 2), torch.zeros(3, 1, 1, 2), 0)
    assert copies.cache.layers[0].keys[:, 0, -1, 0].tolist() == [0.0, 1.0, 2.0]
    assert copies.cache.layers[0].keys[:, 0, :4].eq(1).all()
    assert rows.cache.get_seq_length() == 4
