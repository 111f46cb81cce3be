"""A teacher from plain settings, as a command line gives them, with its cache and its ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data_builders.teachers.base import Settings, Teacher
from data_builders.teachers.cache import Cached, ReplyStore
from data_builders.teachers.ledger import Ledger, Price, price_of
from data_builders.teachers.naming import Calls, teacher_named
from data_builders.teachers.rules import Rule, Rules

LEDGER, CACHE, BATCHES = "ledger.sqlite", "replies.sqlite", "batches"


@dataclass(frozen=True)
class Hiring:
    """Which teacher, how fast it may be asked, and for how much.

    Args:
        teacher: an address that ends in ``/v1``; ``batch`` for batch files; ``rules`` for no model; or the
            folder of a checkpoint.
        model: as the endpoint names it.
        max_tokens: of an answer.
        temperature: of the answers.
        seed: sent along.
        concurrency: requests at once.
        requests_per_minute: at most.
        tokens_per_minute: at most.
        key_variable: environment variable of the endpoint's key.
        price_in: of a million tokens read.
        price_out: of a million tokens written.
        max_budget: what all runs in one folder may cost.
        cache: file of answers that were paid for; in the build's folder by default.
        timeout_s: for one whole attempt at an endpoint.

    Raises:
        UserError: at construction, if only one of two prices is given.
    """

    teacher: str
    model: str | None = None
    max_tokens: int = 1024
    temperature: float = 0.0
    seed: int = 0
    concurrency: int = 16
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    key_variable: str = "OPENAI_API_KEY"
    price_in: float | None = None
    price_out: float | None = None
    max_budget: float | None = None
    cache: Path | None = None
    timeout_s: float = 300.0

    def __post_init__(self) -> None:
        price_of(self.price_in, self.price_out)

    @property
    def settings(self) -> Settings:
        """How an answer is made."""
        return Settings(self.temperature, max_tokens=self.max_tokens, seed=self.seed)

    @property
    def price(self) -> Price | None:
        """Of the endpoint, where it is known."""
        return price_of(self.price_in, self.price_out)


@contextmanager
def hired(hiring: Hiring, folder: Path, rules: Mapping[str, Rule]) -> Iterator[Teacher]:
    """The teacher, while a build asks it.

    Args:
        hiring: which, how fast, for how much.
        folder: of the build; gets the ledger, the cache and batch files.
        rules: answer in the place of a model, where ``rules`` is asked for.

    Raises:
        UserError: if the settings do not go together, or a checkpoint cannot be loaded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(folder / LEDGER, hiring.price, hiring.max_budget)
    try:
        calls = Calls(
            ledger,
            hiring.concurrency,
            hiring.requests_per_minute,
            hiring.tokens_per_minute,
            hiring.key_variable,
            hiring.timeout_s,
        )
        batches = folder / BATCHES
        teacher = teacher_named(
            hiring.teacher, hiring.model, "--teacher-model", rules=rules, batches=batches, calls=calls
        )
        if isinstance(teacher, Rules):
            yield teacher
            return
        store = ReplyStore(hiring.cache or folder / CACHE)
        try:
            yield Cached(teacher, store)
        finally:
            store.close()
    finally:
        ledger.close()
