"""Any endpoint that speaks OpenAI's chat format: vLLM, SGLang, ``transformers serve``, commercial ones."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NoReturn
from urllib.parse import urlsplit

from data_builders.teachers.base import Answer, Failure, Reply, Request, Requests, Usage
from data_builders.teachers.concurrency import bounded
from data_builders.teachers.keys import Key
from data_builders.teachers.ledger import Ledger, estimate
from data_builders.teachers.limits import Backoff, RateLimit, retry_after_s
from data_builders.teachers.wire import CHAT_PATH, AttemptError, body, error_of, reply_of
from mmtune.errors import UserError

log = logging.getLogger(__name__)

CONNECT_S = 10.0
LARGEST_ANSWER = 32 * 2**20
"""Bytes; no chat completion is larger, but an endless answer would be."""
SHOWN = 300
"""Characters of a server's message in a report."""
TRANSIENT = {408, 409, 425, 429}
"""Statuses below 500 after which another attempt may help."""
NO_MONEY = {"insufficient_quota", "billing_hard_limit_reached"}
"""Codes under status 429 that waiting does not cure."""


@dataclass(frozen=True)
class Endpoint:
    """Where the teacher is, and how it may be asked.

    Raises:
        UserError: at construction, for an address that is none or that holds a password.
    """

    base_url: str
    """Up to and with ``/v1``, as ``http://127.0.0.1:8000/v1``."""
    model: str
    """As the endpoint names it."""
    key_variable: str = "OPENAI_API_KEY"
    """Name of the environment variable with the key; unset for servers without one."""
    concurrency: int = 16
    """Requests under way at once."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    attempts: int = 6
    """For what may pass: a rate, an error of the server, no answer in time."""
    unusable_attempts: int = 2
    """For an answer that is not in the form that was asked for."""
    timeout_s: float = 300.0
    """For one whole attempt."""
    backoff_s: float = 1.0
    """About the first wait between attempts; then twice as long each time."""
    structured: Literal["auto", "on", "off"] = "auto"
    """Whether schemas are sent along; ``auto`` sends them until the server says that it has no such thing."""
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """How the endpoint calls the length limit."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UserError(
                "the address of the endpoint holds a user, a password or a query",
                parts.hostname,
                f"give only the address, and put the key into {self.key_variable}",
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError("this is no address of an endpoint", self.base_url, "as http://127.0.0.1:8000/v1")
        if self.concurrency < 1 or self.unusable_attempts < 1 or not self.timeout_s > 0:
            raise UserError("concurrency, attempts and the timeout must be above 0", "endpoint")

    @property
    def url(self) -> str:
        """Where chat completions are asked for."""
        return self.base_url.rstrip("/") + CHAT_PATH


class OpenAICompatible:
    """Asks an endpoint, many requests at once.

    Args:
        endpoint: where and how.
        ledger: counts what is spent, and stops before the budget is exceeded.

    Raises:
        UserError: if the key could not be sent.
    """

    def __init__(self, endpoint: Endpoint, ledger: Ledger | None = None) -> None:
        self.endpoint = endpoint
        self.ledger = ledger or Ledger()
        self.limits = RateLimit(endpoint.requests_per_minute, endpoint.tokens_per_minute)
        self.backoff = Backoff(endpoint.attempts, endpoint.backoff_s)
        self._key = Key(endpoint.key_variable)
        self._structured = endpoint.structured != "off"
        self._limit_field = endpoint.limit_field
        self._refuses = False  # whatever it is asked, so that nothing that is under way is billed

    @property
    def identity(self) -> Mapping[str, Any]:
        """Address and model."""
        return {
            "kind": "openai",
            "endpoint": self.endpoint.base_url.rstrip("/"),
            "model": self.endpoint.model,
        }

    async def ask(self, requests: Requests) -> AsyncIterator[Answer]:
        """As ``Teacher.ask``.

        Raises:
            UserError: if the key is refused, the endpoint is down, has no such model or no money left.
            BudgetError: if the next request could cost more than is left.
        """
        import httpx2

        settings: dict[str, Any] = {
            "timeout": httpx2.Timeout(self.endpoint.timeout_s, connect=CONNECT_S, pool=None),
            "limits": httpx2.Limits(max_connections=self.endpoint.concurrency),
            "headers": self._key.headers(),
        }
        async with httpx2.AsyncClient(**settings) as client:
            async for answer in bounded(partial(self._answer, client), requests, self.endpoint.concurrency):
                yield answer

    async def _answer(self, client: Any, request: Request) -> Answer:
        """Ask until there is an answer, or nothing more to try."""
        try:
            worst = estimate(request)
        except UserError as error:
            return Failure(request.id, "picture", str(error))
        attempt = unusable = 0
        while True:
            attempt += 1
            await self.limits.take(worst.prompt_tokens + worst.completion_tokens)
            try:
                async with self.ledger.reserved(worst):
                    return await self._attempt(client, request, worst)
            except AttemptError as trouble:
                unusable += trouble.kind == "unusable"
                spare = attempt < self.backoff.attempts and unusable < self.endpoint.unusable_attempts
                if not (trouble.again and spare):
                    if trouble.kind == "connection":
                        self._is_down(trouble)
                    return Failure(request.id, trouble.kind, trouble.reason, attempt)
                wait = self.backoff.wait_s(attempt, trouble.wait_s)
                if trouble.kind == "busy":
                    self.limits.pause(wait)
                log.debug("request %s: %s; again in %.1f s", request.id, trouble.reason, wait)
                await asyncio.sleep(wait)

    async def _attempt(self, client: Any, request: Request, worst: Usage) -> Reply:
        """Ask once and charge for it.

        Raises:
            AttemptError: if there is no answer.
        """
        structured = self._structured and request.schema is not None
        try:
            asked = await asyncio.to_thread(  # images are read and encoded beside the other requests
                body,
                request,
                self.endpoint.model,
                structured=structured,
                limit_field=self._limit_field,
            )
        except UserError as error:
            raise AttemptError("picture", str(error), again=False) from error
        try:
            answer = await asyncio.wait_for(self._post(client, asked), self.endpoint.timeout_s)
        except asyncio.TimeoutError as error:
            self.ledger.charge(worst)  # the server may have written it all
            late = f"no answer within {self.endpoint.timeout_s:g} s"
            raise AttemptError("timeout", late, again=True) from error
        except asyncio.CancelledError:
            if not self._refuses:
                self.ledger.charge(worst)  # it was sent, and the server may write on
            raise
        except UserError:
            self._refuses = True
            raise
        except AttemptError as trouble:
            if trouble.kind == "garbage":
                self.ledger.charge(worst)
            schemas = structured and trouble.kind == "request" and self._has_no_schemas(trouble.reason)
            if schemas or (trouble.kind == "request" and self._names_the_limit(trouble.reason, asked)):
                return await self._attempt(client, request, worst)
            raise
        try:
            reply = reply_of(answer, request)
        except AttemptError as trouble:
            self.ledger.charge(trouble.usage or worst)
            trouble.reason = self._shown(trouble.reason)
            raise
        self.ledger.charge(reply.usage if reply.usage != Usage() else worst)
        if self._key.is_in(reply.text + reply.model):
            raise AttemptError("garbage", "the answer repeats the key", again=False)
        return reply

    async def _post(self, client: Any, asked: Mapping[str, Any]) -> Any:
        """The decoded body of a successful answer.

        Raises:
            AttemptError: for every other answer, or none.
            UserError: for one that no further request could get round.
        """
        import httpx2

        try:
            async with client.stream("POST", self.endpoint.url, json=asked) as response:
                content = bytearray()
                async for part in response.aiter_bytes():
                    content += part
                    if len(content) > LARGEST_ANSWER:
                        raise AttemptError("garbage", "the answer does not end", again=False)
        except (httpx2.TimeoutException, TimeoutError) as error:
            if isinstance(error, httpx2.ConnectTimeout):
                raise AttemptError("connection", "no connection in time", again=True) from error
            raise asyncio.TimeoutError from error
        except httpx2.ConnectError as error:
            raise AttemptError("connection", self._shown(str(error)), again=True) from error
        except httpx2.HTTPError as error:  # broken off, or not HTTP
            reason = f"the answer broke off: {type(error).__name__} {error}"
            raise AttemptError("garbage", self._shown(reason), again=True) from error
        if response.status_code != 200:
            self._refused(response, bytes(content))
        media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise AttemptError(
                "garbage", self._shown(f"the answer is {media or 'of no type'}, not JSON"), again=True
            )
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise AttemptError("garbage", "the answer is not whole JSON", again=True) from error

    def _refused(self, response: Any, content: bytes) -> NoReturn:
        """Tell apart what ends the run, what another attempt may cure, and what is this request's fault."""
        status = response.status_code
        try:
            message, code = error_of(json.loads(content))
        except (ValueError, RecursionError):
            message, code = content.decode("utf-8", "replace"), ""
        said = self._shown(f"status {status}: {message}" if message else f"status {status}")
        if status == 401:  # the message is not shown: some servers repeat a part of the key in it
            refused = f"the key in {self._key.variable}" if self._key else "to be asked without a key"
            fix = f"set {self._key.variable} to a valid key, and run the same command again"
            raise UserError(f"the endpoint refuses {refused} (status 401)", self.endpoint.base_url, fix)
        if status == 403:
            fix = f"ask for access, or set {self._key.variable} to a key that has it"
            raise UserError(f"the endpoint forbids this ({said})", self.endpoint.base_url, fix)
        if status == 402 or code in NO_MONEY:
            raise UserError(f"the endpoint's account has no money left ({said})", self.endpoint.base_url)
        if status == 404 or 300 <= status < 400:
            fix = "check the address, which ends in /v1 on most servers, and the model's name"
            raise UserError(
                f"the endpoint has no {self.endpoint.model!r} there ({said})", self.endpoint.url, fix
            )
        if status >= 500 or status in TRANSIENT:
            wait = retry_after_s(response.headers.get("retry-after"))
            raise AttemptError("busy" if status == 429 else "server", said, again=True, wait_s=wait)
        raise AttemptError("request", said, again=False)

    def _has_no_schemas(self, reason: str) -> bool:
        """Whether a refusal was of ``response_format``; it is then left out from here on."""
        if self.endpoint.structured != "auto" or not any(
            word in reason for word in ("response_format", "json_schema", "guided", "structured")
        ):
            return False
        if self._structured:
            log.warning("the endpoint holds no model to a JSON schema; answers are only checked")
        self._structured = False
        return True

    def _names_the_limit(self, reason: str, asked: Mapping[str, Any]) -> bool:
        """Whether a refusal was of the length limit's older name; the newer one is sent from here on."""
        if "max_tokens" not in asked or "max_completion_tokens" not in reason:
            return False
        self._limit_field = "max_completion_tokens"
        return True

    def _is_down(self, trouble: AttemptError) -> NoReturn:
        raise UserError(
            f"the endpoint cannot be reached, after {self.backoff.attempts} attempts: {trouble.reason}",
            self.endpoint.base_url,
            "start it or check the address, and run the same command again; what is done is kept",
        )

    def _shown(self, text: str) -> str:
        """A server's words for a report: one line, not too long, and without the key."""
        return self._key.hide(" ".join(text.split()))[:SHOWN].rstrip(".")
