"""A chat endpoint on loopback that answers well, or badly in every way that is asked of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

HANG_S = 30.0


@dataclass
class Server:
    """What the endpoint was asked, and how it answers.

    Args:
        mood: says for the number of a request (from 0) and its body how to answer: a key of ``MOODS``, ``good``
            or a status.
        write: the text of a good answer.
        delay_s: before every answer.
    """

    mood: Callable[[int, dict[str, Any]], Any] = lambda number, body: "good"
    write: Callable[[dict[str, Any]], str] = lambda body: digest(body)
    delay_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    moods: list[Any] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    most_at_once: int = 0
    url: str = ""
    _now: int = 0

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        number = len(self.bodies)
        self.bodies.append(body)
        self.keys.append(request.headers.get("authorization"))
        self.times.append(time.monotonic())
        mood = self.mood(number, body)
        self.moods.append(mood)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            await asyncio.sleep(self.delay_s)
            if isinstance(mood, int):
                said = f"this is {mood}; you sent {request.headers.get('authorization')}"
                return JSONResponse({"error": {"message": said}}, mood, self.headers)
            if mood == "hang":
                await asyncio.sleep(HANG_S)
            return MOODS[mood](self.write(body), body)
        finally:
            self._now -= 1


def digest(body: dict[str, Any]) -> str:
    """A text that depends on all that was asked."""
    return "answer " + hashlib.sha256(json.dumps(body["messages"], sort_keys=True).encode()).hexdigest()[:16]


def completion(text: str | None, finish: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": text, **message},
    }
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return {"id": "c", "object": "chat.completion", "model": "m-1", "choices": [choice], "usage": usage}


def _raw(content: bytes, media: str = "application/json", **settings: Any) -> Response:
    return Response(content, media_type=media, **settings)


def _broken(text: str, body: dict[str, Any]) -> Response:
    async def half() -> AsyncIterator[bytes]:
        yield json.dumps(completion(text)).encode()[:40]
        raise ConnectionError("the server falls over")

    return StreamingResponse(half(), media_type="application/json")


MOODS: dict[str, Callable[[str, dict[str, Any]], Response]] = {
    "good": lambda text, body: JSONResponse(completion(text)),
    "hang": lambda text, body: JSONResponse(completion(text)),
    "garbage": lambda text, body: _raw(b"\x00\xffno json"),
    "truncated": lambda text, body: _raw(json.dumps(completion(text)).encode()[:-20]),
    "html": lambda text, body: _raw(b"<html>Bad gateway</html>", "text/html"),
    "json as text": lambda text, body: _raw(json.dumps(completion(text)).encode(), "text/plain"),
    "other": lambda text, body: JSONResponse({"answer": text}),
    "null": lambda text, body: JSONResponse(None),
    "no choices": lambda text, body: JSONResponse({"choices": []}),
    "empty": lambda text, body: JSONResponse(completion("")),
    "no text": lambda text, body: JSONResponse(completion(None)),
    "half a character": lambda text, body: _raw(json.dumps(completion(f"{text} \ud83d")).encode()),
    "deep": lambda text, body: _raw(b"[" * 200_000),
    "broken": _broken,
    "cut": lambda text, body: JSONResponse(completion(text, "length")),
    "refusal": lambda text, body: JSONResponse(completion(None, refusal="I will not")),
    "filtered": lambda text, body: JSONResponse(completion("", "content_filter")),
    "endless usage": lambda text, body: JSONResponse(
        completion(text) | {"usage": {"prompt_tokens": 10**30, "completion_tokens": 1}}
    ),
    "quota": lambda text, body: JSONResponse(
        {"error": {"code": "insufficient_quota", "message": "pay"}}, 429
    ),
    "newer limit": lambda text, body: (
        JSONResponse(
            {"error": {"message": "'max_tokens' is not supported: use 'max_completion_tokens'"}}, 400
        )
        if "max_tokens" in body
        else JSONResponse(completion(text))
    ),
    "no schema": lambda text, body: (
        JSONResponse({"detail": "Unsupported fields in the request: {'response_format'}"}, 422)
        if "response_format" in body
        else JSONResponse(completion(text))
    ),
}


@contextmanager
def serve(server: Server | None = None, port: int = 0) -> Iterator[Server]:
    """Run an endpoint in a thread for as long as the block lasts."""
    server = server or Server()
    app = Starlette(routes=[Route("/v1/chat/completions", server.answer, methods=["POST"])])
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=0)
    runner = uvicorn.Server(config)
    thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    while not runner.started:
        time.sleep(0.005)
    try:
        yield server
    finally:
        runner.should_exit = True
        thread.join(timeout=10)
