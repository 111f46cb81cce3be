"""What was spent: tokens and money, kept in a file, and a limit that is looked at before each request."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from data_builders.teachers.base import Request, Usage
from mmtune.errors import UserError

CHARACTERS_A_TOKEN = 3.0
"""Low for English, whose tokenizers make about four: an estimate before spending may be too high."""
TOKENS_A_MESSAGE = 8
"""What a chat template puts around a message."""
PIXELS_A_TOKEN = 750
"""Of an image; an estimate in the middle of what endpoints publish."""

LOOK_AGAIN_S = 0.02
"""Between two looks at a budget that requests under way hold back."""

_NAMES = ("requests", "prompt", "completion", "money")
_COLUMNS = "(requests INTEGER, prompt INTEGER, completion INTEGER, money REAL)"
_TABLES = (
    f"CREATE TABLE IF NOT EXISTS spending {_COLUMNS}",
    f"CREATE TABLE IF NOT EXISTS under_way {_COLUMNS}",
)


class BudgetError(UserError):
    """The next request could cost more than is left."""


@dataclass(frozen=True)
class Price:
    """Money for a million tokens, in any currency.

    Raises:
        UserError: at construction, for a negative price.
    """

    prompt: float = 0.0
    completion: float = 0.0

    def __post_init__(self) -> None:
        if not (self.prompt >= 0 and self.completion >= 0):
            raise UserError("a price is negative", fix="give the price of a million tokens")

    def of(self, usage: Usage) -> float:
        """What these tokens cost."""
        return (usage.prompt_tokens * self.prompt + usage.completion_tokens * self.completion) / 1e6


def price_text(price: Price | None, usage: Usage) -> str:
    """What tokens cost at most, for a person; of less than a whole unit two significant digits."""
    if price is None:
        return "price unknown"
    cost = price.of(usage)
    digits = 1 - math.floor(math.log10(cost)) if 0 < cost < 1 else 2
    return f"price at most {cost:.{digits}f}"


def price_of(price_in: float | None, price_out: float | None) -> Price | None:
    """The price that two settings give, None where both are left out.

    Raises:
        UserError: if only one of them is given, or one is negative.
    """
    if price_in is None and price_out is None:
        return None
    if price_in is None or price_out is None:
        raise UserError("only one of two prices is given", "--price-in, --price-out", "give both")
    return Price(price_in, price_out)


def estimate(request: Request) -> Usage:
    """Tokens of the prompt, roughly, and of the longest answer that is allowed.

    Raises:
        ImageError: if an image cannot be read.
    """
    prompt = 0.0
    for message in request.messages:
        # Bytes, since a character of a script that is not Latin is often a token by itself.
        prompt += TOKENS_A_MESSAGE + len(message.text.encode("utf-8", "surrogatepass")) / CHARACTERS_A_TOKEN
        for picture in message.images:
            width, height = picture.size()
            prompt += max(1, width * height / PIXELS_A_TOKEN)
    return Usage(int(prompt + 1), request.settings.max_tokens)


class Ledger:
    """Counts tokens and money over all runs of one build, and stops before the budget is exceeded.

    Args:
        path: SQLite file; in memory without one.
        price: of the endpoint.
        budget: what all runs together may cost; None for no limit.

    Raises:
        UserError: for a budget without a price, or below 0.
    """

    def __init__(
        self, path: Path | None = None, price: Price | None = None, budget: float | None = None
    ) -> None:
        if budget is not None and price is None:
            raise UserError(
                "a budget needs prices", "--max-budget", "give the price of a million tokens, in and out"
            )
        if budget is not None and not budget >= 0:
            raise UserError(f"the budget is {budget}", "--max-budget", "give 0 or more")
        self.price, self.budget = price, budget
        self._reserved, self._under_way = 0.0, 0
        self._is_settled = False
        self._database = sqlite3.connect(path or ":memory:", timeout=60)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        with self._database:
            for table in _TABLES:
                self._database.execute(table)
            if self._database.execute("SELECT COUNT(*) FROM spending").fetchone()[0] == 0:
                self._database.execute("INSERT INTO spending VALUES (0, 0, 0, 0.0)")

    @property
    def requests(self) -> int:
        """How many requests were, or may have been, billed."""
        return int(self._row()[0])

    @property
    def usage(self) -> Usage:
        """Tokens of all of them."""
        return Usage(int(self._row()[1]), int(self._row()[2]))

    @property
    def spent(self) -> float:
        """Money of all of them."""
        return float(self._row()[3])

    @asynccontextmanager
    async def reserved(self, worst: Usage) -> AsyncIterator[None]:
        """Hold back what a request may cost at most, until it is charged.

        Raises:
            BudgetError: if it could exceed the budget even once all that is under way has been charged.
        """
        self._settle()
        amount = self.price.of(worst) if self.price else 0.0
        while self.budget is not None and self.spent + self._reserved + amount > self.budget:
            if not self._under_way:
                raise BudgetError(
                    f"the budget of {self.budget:g} is spent: {self.spent:.4f} so far,"
                    f" and the next request may cost {amount:.4f}",
                    "--max-budget",
                    "raise it and run the same command again; what is done is kept",
                )
            await asyncio.sleep(LOOK_AGAIN_S)
        self._under_way += 1
        self._reserved += amount
        with self._database:
            row = (1, worst.prompt_tokens, worst.completion_tokens, amount)
            number = self._database.execute("INSERT INTO under_way VALUES (?, ?, ?, ?)", row).lastrowid
        try:
            yield
        finally:
            with self._database:
                self._database.execute("DELETE FROM under_way WHERE rowid = ?", (number,))
            self._under_way -= 1
            self._reserved = self._reserved - amount if self._under_way else 0.0

    def _settle(self) -> None:
        """Charge what was under way when an earlier run was killed: it may have been billed.

        Not before the first request, when no other process can have any in the same folder.
        """
        if self._is_settled:
            return
        self._is_settled = True
        sums = ", ".join(f"{name} + (SELECT TOTAL({name}) FROM under_way)" for name in _NAMES)
        with self._database:
            self._database.execute(f"UPDATE spending SET ({', '.join(_NAMES)}) = ({sums})")
            self._database.execute("DELETE FROM under_way")

    def charge(self, usage: Usage) -> None:
        """Write down what was, or may have been, billed."""
        money = self.price.of(usage) if self.price else 0.0
        with self._database:
            self._database.execute(
                "UPDATE spending SET requests = requests + 1,"
                " prompt = prompt + ?, completion = completion + ?, money = money + ?",
                (usage.prompt_tokens, usage.completion_tokens, money),
            )

    def _row(self) -> tuple[int, int, int, float]:
        row: tuple[int, int, int, float] = self._database.execute("SELECT * FROM spending").fetchone()
        return row

    def close(self) -> None:
        """Close the file."""
        self._database.close()
