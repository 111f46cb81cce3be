"""The chat format of OpenAI-compatible endpoints: a request as JSON, and an answer out of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data_builders.teachers.base import (
    Kind,
    Message,
    Reply,
    Request,
    UnusableError,
    Usage,
    check_text,
)
from mmtune.records import IMAGE_PLACEHOLDER

CHAT_PATH = "/chat/completions"
_MOST_TOKENS = 10**9
"""More are no count that a server has made, and not to be charged."""


class AttemptError(Exception):
    """Why one attempt gave no answer.

    Args:
        kind: as in ``Failure``.
        reason: for the report.
        again: whether another attempt may help.
        wait_s: what the server asked to wait.
        usage: tokens that the server says it bills for the attempt.
    """

    def __init__(
        self, kind: Kind, reason: str, *, again: bool, wait_s: float | None = None, usage: Usage | None = None
    ) -> None:
        reason = writable(reason)
        super().__init__(reason)
        self.kind, self.reason, self.again, self.wait_s, self.usage = kind, reason, again, wait_s, usage


def writable(text: str) -> str:
    """A stranger's words as they can be written as UTF-8: halves of surrogate pairs as their codes."""
    return text.encode("utf-8", "backslashreplace").decode()


def body(request: Request, model: str, *, structured: bool, limit_field: str) -> dict[str, Any]:
    """A request as the body of a chat completion.

    Args:
        request: what is asked.
        model: as the endpoint names it.
        structured: whether to send the schema along as ``response_format``.
        limit_field: how the endpoint calls the length limit.

    Raises:
        ImageError: if an image cannot be read.
    """
    settings = request.settings
    asked: dict[str, Any] = {"model": model, "messages": [_message(item) for item in request.messages]}
    asked |= {"temperature": settings.temperature, limit_field: settings.max_tokens}
    if settings.top_p != 1:
        asked["top_p"] = settings.top_p
    if settings.seed:
        asked["seed"] = settings.seed
    if structured and request.schema is not None:
        schema = {"name": request.kind or "answer", "schema": dict(request.schema), "strict": True}
        asked["response_format"] = {"type": "json_schema", "json_schema": schema}
    return asked


def _message(message: Message) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role, "content": message.text}
    pictures: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": picture.data_url()}} for picture in message.images
    ]
    if not message.in_place:
        return {"role": message.role, "content": [*pictures, {"type": "text", "text": message.text}]}
    first, *texts = message.text.split(IMAGE_PLACEHOLDER)
    parts = [_text_part(first)]
    for picture, text in zip(pictures, texts, strict=True):
        parts += [[picture], _text_part(text)]
    return {"role": message.role, "content": [piece for part in parts for piece in part]}


def _text_part(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}] if text.strip() else []


def reply_of(answer: Any, request: Request) -> Reply:
    """The reply in the body of a chat completion.

    Raises:
        AttemptError: if it has another shape, was cut, was refused, or is not what was asked for.
    """
    if not isinstance(answer, Mapping):
        raise AttemptError("garbage", f"the body is a JSON {type(answer).__name__}", again=True)
    usage = _usage(answer.get("usage"))
    try:
        choice = answer["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason")
        text, refusal = _text(message.get("content")), message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise AttemptError("garbage", "the body is not a chat completion", again=True, usage=usage) from error
    if finish == "length" and not request.as_it_is:
        cut = f"the answer was cut at max_tokens = {request.settings.max_tokens}"
        raise AttemptError("cut", cut, again=False, usage=usage)
    if refusal or finish == "content_filter":
        reason = refusal if isinstance(refusal, str) else "the endpoint's content filter"
        raise AttemptError("refused", f"the teacher refused: {reason}", again=False, usage=usage)
    if text is None:
        raise AttemptError("garbage", "the chat completion has no text", again=True, usage=usage)
    try:
        check_text(request, text)
    except UnusableError as error:
        raise AttemptError("unusable", str(error), again=True, usage=usage) from error
    model = answer.get("model")
    name = writable(model) if isinstance(model, str) else ""
    return Reply(request.id, text, usage or Usage(), name, cut=finish == "length")


def error_of(answer: Any) -> tuple[str, str]:
    """The message and the code of an error body, empty where it has none."""
    error = answer.get("error", answer) if isinstance(answer, Mapping) else None
    if isinstance(error, str):
        return writable(error), ""
    if not isinstance(error, Mapping):
        return "", ""
    message = error.get("message") or error.get("detail") or ""
    return writable(str(message)), str(error.get("code") or error.get("type") or "")


def _text(content: Any) -> str | None:
    """The text of a message, which may be a string or a list of parts."""
    if isinstance(content, str) or content is None:
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _usage(counts: Any) -> Usage | None:
    if not isinstance(counts, Mapping):
        return None
    prompt, completion = counts.get("prompt_tokens"), counts.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    if not (0 <= prompt <= _MOST_TOKENS and 0 <= completion <= _MOST_TOKENS):
        return None
    return Usage(prompt, completion)
