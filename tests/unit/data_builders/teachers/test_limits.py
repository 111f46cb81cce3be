"""Rates, waits and the ledger, on a clock that the test turns."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders.teachers.base import Settings, Usage
from data_builders.teachers.ledger import BudgetError, Ledger, Price, estimate, price_text
from data_builders.teachers.limits import Backoff, RateLimit, retry_after_s
from mmtune.errors import UserError
from tests.unit.data_builders.teachers.asking import request


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 8), st.integers(10, 300), st.integers(0, 10**6))
def test_no_sixty_seconds_see_more_than_allowed(requests: int, tokens: int, seed: int):
    clock, draws = Clock(), random.Random(seed)
    limit = RateLimit(requests, tokens, clock, clock.sleep)
    sent: list[tuple[float, int]] = []

    async def all_of_them() -> None:
        for _ in range(40):
            size = draws.randint(1, 120)
            await limit.take(size)
            sent.append((clock.now, size))
            clock.now += draws.random() * 10

    asyncio.run(all_of_them())
    for time, _ in sent:
        window = [size for when, size in sent if time <= when < time + 60]
        assert len(window) <= requests
        assert sum(window) <= tokens or len(window) == 1
    assert sent[-1][0] - 1000 < 60 * 60  # and it does not wait for nothing


def test_without_limits_nothing_waits_but_for_a_pause():
    clock = Clock()
    limit = RateLimit(None, None, clock, clock.sleep)
    asyncio.run(limit.take(10**9))
    assert clock.now == 1000
    limit.pause(7)
    limit.pause(3)  # a shorter one does not end the longer
    asyncio.run(limit.take(1))
    assert clock.now == 1007
    with pytest.raises(UserError):
        RateLimit(0)


def test_waits_grow_and_differ_and_keep_to_what_the_server_asks():
    backoff = Backoff(6, base_s=1, cap_s=10)
    waits = [[backoff.wait_s(attempt, None) for _ in range(50)] for attempt in range(1, 7)]
    for attempt, several in enumerate(waits):
        assert min(10, 2**attempt) * 0.5 <= min(several) < max(several) <= min(10, 2**attempt)
    assert all(20 <= backoff.wait_s(1, 20.0) <= 20.1 for _ in range(50))


def test_both_forms_of_retry_after():
    now = datetime(2026, 1, 1, 12, 0, 0, tzinfo=timezone.utc)
    assert retry_after_s("7.5", now) == 7.5
    assert retry_after_s("Thu, 01 Jan 2026 12:00:30 GMT", now) == 30
    assert retry_after_s("Thu, 01 Jan 2026 11:00:00 GMT", now) == 0
    assert [retry_after_s(text, now) for text in (None, "soon", "inf", "nan", "")] == [None] * 5


@pytest.mark.parametrize(
    ("tokens", "text"),
    [(0, "0.00"), (2143, "0.0021"), (999, "0.00100"), (10**6, "1.00"), (5120 * 10**6, "5120.00")],
)
def test_small_prices_are_not_nothing(tokens: int, text: str):
    assert price_text(Price(1.0, 1.0), Usage(tokens, 0)) == f"price at most {text}"
    assert price_text(None, Usage(tokens, 0)) == "price unknown"


def test_the_ledger_counts_over_runs_and_holds_back(tmp_path: Path):
    path, price = tmp_path / "ledger.sqlite", Price(1.0, 2.0)
    ledger = Ledger(path, price)
    ledger.charge(Usage(10**6, 10**6))
    assert ledger.spent == 3.0
    ledger.close()
    again = Ledger(path, price, budget=4.0)
    assert (again.requests, again.usage) == (1, Usage(10**6, 10**6))

    async def two() -> str:
        async with again.reserved(Usage(10**6, 0)):
            other = asyncio.create_task(once())
            await asyncio.sleep(0.05)
            assert not other.done()  # it waits for the first, which may turn out to be cheaper
        return await other

    async def once() -> str:
        async with again.reserved(Usage(10**6, 0)):
            return "done"

    assert asyncio.run(two()) == "done"
    again.charge(Usage(10**6, 0))
    with pytest.raises(BudgetError, match="next request may cost"):
        asyncio.run(once())


def test_what_was_under_way_in_a_run_that_was_killed_counts_as_billed(tmp_path: Path):
    path, price, worst = tmp_path / "ledger.sqlite", Price(1.0, 2.0), Usage(10**6, 10**6)
    killed = Ledger(path, price, budget=10.0)

    async def go_through(ledger: Ledger) -> None:
        async with ledger.reserved(worst):
            pass

    # A loop that is not closed, as that of a process that is gone.
    held = killed.reserved(worst)
    asyncio.new_event_loop().run_until_complete(held.__aenter__())
    again = Ledger(path, price, budget=10.0)
    assert again.spent == 0.0
    for _ in range(2):  # once for all
        asyncio.run(go_through(again))
        assert (again.requests, again.usage, again.spent) == (1, worst, 3.0)
    assert Ledger(path, price).spent == 3.0


def test_a_budget_needs_prices_and_both_are_positive():
    for wrong in (
        lambda: Ledger(budget=1.0),
        lambda: Ledger(price=Price(), budget=-1.0),
        lambda: Price(-1.0),
    ):
        with pytest.raises(UserError):
            wrong()


def test_an_estimate_is_not_below_what_english_takes():
    text = "There are two red circles to the left of a large green star. " * 20  # about 280 tokens
    usage = estimate(request("a", text, settings=Settings(max_tokens=50)))
    assert 280 < usage.prompt_tokens < 600
    assert usage.completion_tokens == 50
    # Each of these characters is a token, or nearly one, to most tokenizers.
    assert estimate(request("a", "\u5927" * 300)).prompt_tokens >= 300
