"""Every engine gives the same results in the same order."""

from __future__ import annotations

import os
from functools import partial
from itertools import count

import pytest

from data_builders.engines import ENGINES, get_engine
from mmtune.errors import UserError


def square(value: int) -> int:
    return value * value


def fails_at(value: int, bad: int) -> int:
    if value == bad:
        raise UserError("a bad value", str(value))
    return value


def dies(value: int) -> int:
    os._exit(3)


def engine_of(name):
    if name == "ray":
        pytest.importorskip("ray")
    return get_engine(name, 2)


@pytest.mark.parametrize("name", list(ENGINES))
def test_results_come_in_order_and_errors_come_through(name):
    engine = engine_of(name)
    assert list(engine.map(square, range(300))) == [value * value for value in range(300)]
    assert list(engine.map(square, [])) == []
    with pytest.raises(UserError, match="a bad value"):
        list(engine.map(partial(fails_at, bad=40), range(100)))


@pytest.mark.parametrize("name", ["local", "processes"])
def test_items_are_taken_as_they_are_needed(name):
    results = engine_of(name).map(square, count())
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    results.close() if hasattr(results, "close") else None


def test_a_killed_worker_is_a_sentence():
    with pytest.raises(UserError, match="a worker process was killed"):
        list(get_engine("processes", 1).map(dies, [1]))


def test_unknown_engines_and_no_workers_are_refused():
    with pytest.raises(UserError, match="did you mean 'ray'"):
        get_engine("rai")
    with pytest.raises(UserError, match="number of workers is 0"):
        get_engine("local", 0)
