"""How fast an endpoint may be asked: requests and tokens in any sixty seconds, and its own wish to wait."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from mmtune.errors import UserError

WINDOW_S = 60.0


class RateLimit:
    """Lets requests through so that no sixty seconds see more than was allowed.

    Args:
        requests_per_minute: None for no limit.
        tokens_per_minute: of prompts and longest answers together; None for no limit. A request that alone
            is larger goes when nothing else went in the last minute.
        clock: seconds, for tests.
        sleep: as ``asyncio.sleep``, for tests.
    """

    def __init__(
        self,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        for name, limit in (("requests", requests_per_minute), ("tokens", tokens_per_minute)):
            if limit is not None and limit < 1:
                raise UserError(f"{limit} {name} a minute are allowed", fix="give at least 1, or no limit")
        self.requests_per_minute = requests_per_minute
        self.tokens_per_minute = tokens_per_minute
        self._clock, self._sleep = clock, sleep
        self._sent: deque[tuple[float, int]] = deque()
        self._tokens = 0
        self._not_before = 0.0

    async def take(self, tokens: int) -> None:
        """Wait until a request of this many tokens may be sent, and count it."""
        while (wait := self._wait(tokens)) > 0:
            await self._sleep(wait)
        if self.requests_per_minute is not None or self.tokens_per_minute is not None:
            self._sent.append((self._clock(), tokens))
            self._tokens += tokens

    def pause(self, seconds: float) -> None:
        """Send nothing for this long: the server said so."""
        self._not_before = max(self._not_before, self._clock() + seconds)

    def _wait(self, tokens: int) -> float:
        """Seconds until a request may go, as far as is known now."""
        now = self._clock()
        while self._sent and now - self._sent[0][0] >= WINDOW_S:
            self._tokens -= self._sent.popleft()[1]
        if now < self._not_before:
            return self._not_before - now
        many = self.requests_per_minute is not None and len(self._sent) >= self.requests_per_minute
        large = (
            self.tokens_per_minute is not None
            and bool(self._sent)
            and self._tokens + tokens > self.tokens_per_minute
        )
        return self._sent[0][0] + WINDOW_S - now if many or large else 0.0


class Backoff:
    """How long to wait before the next attempt: twice as long each time, with jitter, or as the server says.

    Args:
        attempts: in all, the first one included.
        base_s: about the first wait.
        cap_s: longest wait of its own choice.
    """

    def __init__(self, attempts: int = 6, base_s: float = 1.0, cap_s: float = 60.0) -> None:
        if attempts < 1:
            raise UserError(f"{attempts} attempts are allowed", fix="give at least 1")
        self.attempts, self.base_s, self.cap_s = attempts, base_s, cap_s
        self._random = random.Random()  # only of waits: never of what is asked or written

    def wait_s(self, attempt: int, asked_s: float | None) -> float:
        """Seconds after the failed attempt of this number, counted from 1.

        Args:
            attempt: how many were made.
            asked_s: what the server asked for.
        """
        own = min(self.cap_s, self.base_s * 2 ** (attempt - 1)) * self._random.uniform(0.5, 1.0)
        return own if asked_s is None else asked_s + own * 0.1


def retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, in either of its forms (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return None
        if until.tzinfo is None:
            until = until.replace(tzinfo=timezone.utc)
        seconds = (until - (now or datetime.now(timezone.utc))).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None
