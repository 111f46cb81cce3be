"""Attention of rows behind trunks is what each row alone would see, at every step."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mmtune.decode import steps
from mmtune.decode.rows import Rows
from mmtune.decode.steps import NextTokens, Reading, Step
from mmtune.models.kernels.capped import capped_attention

HEADS, KEY_HEADS, WIDTH = 4, 2, 8
groups = st.lists(
    st.tuples(st.integers(1, 7), st.lists(st.integers(1, 5), min_size=1, max_size=3)), min_size=1, max_size=3
)
"""Tokens of a trunk, and of each branch behind it."""


def states(tokens: int, heads: int) -> Tensor:
    return torch.randn(tokens, heads, WIDTH, dtype=torch.float64)


def alone(query: Tensor, key: Tensor, value: Tensor, window: int | None, softcap: float | None) -> Tensor:
    """What the last tokens of one document see, (tokens, heads, width), written out."""
    new, total = len(query), len(key)
    behind = torch.arange(total - new, total).unsqueeze(1) - torch.arange(total)
    seen = (behind >= 0) & (behind < (window or total))
    q, k, v = (x.transpose(0, 1).unsqueeze(0) for x in (query, key, value))
    return capped_attention(q, k, v, seen, scale=None, softcap=softcap or 1e9)[0].transpose(0, 1)


class Documents:
    """The tokens of every row in order, kept beside ``Rows``."""

    def __init__(self, branches: list[int], trunks: list[int], of: list[int]) -> None:
        self.rows = Rows(branches, trunks, of, torch.device("cpu"))
        self.module = nn.Identity()

    def read(self, how: dict[str, Any], room: int) -> None:
        rows = self.rows
        reading = Reading(rows, "sdpa", room)
        new = [states(reading.tokens, heads) for heads in (HEADS, KEY_HEADS, KEY_HEADS)]
        out = Step([reading]).attend(self.module, *new, scale=None, **how)
        self.seen = []
        start, trunk, last = 0, slice(0, 0), None
        for row, length in enumerate(rows.own_lengths):
            if rows.trunks and rows.trunk_of_row[row] != last:
                last = rows.trunk_of_row[row]
                trunk = slice(start, start + rows.trunks[last])
                start = trunk.stop
            own = slice(start, start + length)
            query, key, value = (torch.cat([x[trunk], x[own]]) for x in new)
            expected = alone(query, key, value, how["window"], how["softcap"])
            torch.testing.assert_close(torch.cat([out[trunk], out[own]]), expected)
            self.seen.append([key, value])
            start = own.stop

    def follow(self, how: dict[str, Any]) -> None:
        piece = NextTokens(self.rows)
        new = [states(piece.tokens, heads) for heads in (HEADS, KEY_HEADS, KEY_HEADS)]
        out = Step([piece]).attend(self.module, *new, scale=None, **how)
        self.rows.taken()
        for row, seen in enumerate(self.seen):
            query, key, value = (x[row : row + 1] for x in new)
            self.seen[row] = [torch.cat([old, x]) for old, x in zip(seen, (key, value), strict=True)]
            key, value = self.seen[row]
            expected = alone(query, key, value, how["window"], how["softcap"])
            torch.testing.assert_close(out[row : row + 1], expected, atol=1e-5, rtol=1e-5)

    def keep(self, kept: list[int]) -> None:
        self.rows.keep(kept)
        self.seen = [self.seen[row] for row in kept]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    groups,
    st.booleans(),
    st.sampled_from([None, 2, 6]),
    st.sampled_from([None, 3.0]),
    st.lists(st.sets(st.integers(0, 8), min_size=1), max_size=3),
    st.sampled_from([1, 6, 128]),
)
@example([(2, [3]), (5, [3, 1])], True, None, None, [{0}], 128)
@example([(2, [3]), (5, [3, 1]), (3, [2])], True, None, 3.0, [{0, 3}, {1}], 128)
def test_each_row_sees_its_trunk_and_itself(
    found: list[tuple[int, list[int]]],
    shared: bool,
    window: int | None,
    softcap: float | None,
    kept: list[set[int]],
    together: int,
) -> None:
    torch.manual_seed(0)
    branches = [length for _, group in found for length in group]
    trunks = [trunk for trunk, _ in found] if shared else []
    of = [number for number, (_, group) in enumerate(found) for _ in group] if shared else []
    documents = Documents(branches, trunks, of)
    how = {"window": window, "softcap": softcap}
    with patch.object(steps, "BRANCH_TOKENS", together):
        documents.read(how, room=1)
    for some in [*kept, {0}]:
        documents.follow(how)
        documents.follow(how)
        documents.keep(sorted({row % len(documents.seen) for row in some}))
        assert documents.rows.positions.tolist() == [len(key) for key, _ in documents.seen]
    documents.follow(how)


def test_rows_of_several_readings_go_on_in_one_step() -> None:
    torch.manual_seed(0)
    how: dict[str, Any] = {"scale": None, "window": None, "softcap": None}
    many = [Documents([2, 3], [4], [0, 0]), Documents([5], [], [])]
    for documents in many:
        documents.read({"window": None, "softcap": None}, room=2)
        documents.module = many[0].module
    many[1].rows.own = {many[0].module: next(iter(many[1].rows.own.values()))}
    new = [states(3, heads) for heads in (HEADS, KEY_HEADS, KEY_HEADS)]
    out = Step([NextTokens(documents.rows) for documents in many]).attend(many[0].module, *new, **how)
    for row, seen in enumerate([*many[0].seen, *many[1].seen]):
        query, key, value = (x[row : row + 1] for x in new)
        expected = alone(query, torch.cat([seen[0], key]), torch.cat([seen[1], value]), None, None)
        torch.testing.assert_close(out[row : row + 1], expected, atol=1e-5, rtol=1e-5)


def test_nothing_is_kept_where_nothing_follows() -> None:
    documents = Documents([2, 3], [4], [0, 0])
    documents.read({"window": None, "softcap": None}, room=0)
    assert not documents.rows.own and not documents.rows.shared


@pytest.mark.parametrize("steps", [1, 40])
def test_room_is_made_when_it_is_used_up(steps: int) -> None:
    torch.manual_seed(0)
    documents = Documents([3, 1], [2], [0, 0])
    documents.read({"window": None, "softcap": None}, room=1)
    for _ in range(steps):
        documents.follow({"window": None, "softcap": None})
