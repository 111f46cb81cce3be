"""What all processes of a run must have in common."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mmtune.errors import UserError
from mmtune.train.agreement import demand_equal


def world(*others: dict[str, Any]) -> Any:
    return SimpleNamespace(gather=lambda own: [own, *others])


def test_processes_that_agree_go_on() -> None:
    demand_equal({"the training data": "a1"}, world())
    demand_equal({"the training data": "a1"}, world({"the training data": "a1"}))


def test_a_machine_with_an_older_copy_is_named() -> None:
    old, new = {"steps": 4, "the training data": "a1"}, {"steps": 4, "the training data": "b2"}
    with pytest.raises(UserError, match=r"the training data: processes 2, 3 found"):
        demand_equal(new, world(new, old, old))
