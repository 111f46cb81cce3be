"""Two teachers as one: each answers what is its own, and what it raises is raised."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from data_builders.teachers.base import Failure, Message, Reply, Request
from data_builders.teachers.ledger import BudgetError
from data_builders.teachers.routed import Routed
from data_builders.teachers.rules import Rules
from mmtune.errors import UserError


def test_routed_teachers_answer_what_is_theirs_and_raise_what_they_raise():
    writer, labeller = Rules({"write": lambda request: "w"}), Rules({"judge": lambda request: "j"})
    requests = [
        Request(str(n), (Message("user", "x"),), kind="judge" if n % 3 else "write") for n in range(30)
    ]

    async def through(teacher: Any) -> list[Any]:
        return [answer async for answer in teacher.ask(requests)]

    answers = asyncio.run(through(Routed(writer, labeller, frozenset({"judge"}))))
    assert {answer.id: answer.text for answer in answers if isinstance(answer, Reply)} == {
        str(n): "j" if n % 3 else "w" for n in range(30)
    }
    assert not [answer for answer in answers if isinstance(answer, Failure)]

    class Down(Rules):
        async def ask(self, requests: Any) -> Any:
            raise UserError("the endpoint is down")
            yield

    with pytest.raises(UserError, match="endpoint is down"):
        asyncio.run(through(Routed(writer, Down({}), frozenset({"judge"}))))


def test_what_is_under_way_is_handed_on_where_the_budget_is_spent():
    paid: list[Any] = []

    class Spent(Rules):
        async def ask(self, requests: Any) -> Any:
            async for _ in requests:
                raise BudgetError("the budget is spent")
                yield

    class Slow(Rules):
        async def ask(self, requests: Any) -> Any:
            async for request in requests:
                paid.append(request.id)
                await asyncio.sleep(0.1)
                yield Reply(request.id, "late")

    async def through() -> None:
        requests = [Request(f"{kind}{n}", (), kind=kind) for n in range(3) for kind in ("write", "judge")]
        async for answer in Routed(Slow({}), Spent({}), frozenset({"judge"})).ask(requests):
            got.append(answer.id)

    got: list[str] = []
    with pytest.raises(BudgetError):
        asyncio.run(through())
    assert got == paid == ["write0"]
