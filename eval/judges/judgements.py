"""The file of a judge's replies: enough to score again without the judge, and to see what changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_builders.teachers.base import (
    Answer,
    Failure,
    Reply,
    Requests,
    Usage,
    fingerprint,
    stream,
)
from eval.json_files import read_rows, write_rows
from mmtune.errors import UserError
from mmtune.wording import counted

NAME = "judgements.jsonl"
FORM = 1
"""Version of the file."""
_LISTED = 5


@dataclass(frozen=True)
class Judgement:
    """One reply of a judge, or why there is none."""

    item: str
    part: str
    run: int
    attempt: int
    key: str
    """SHA-256 over judge, messages, images and settings."""
    answer_sha256: str
    """Of what was marked."""
    reply: str | None = None
    """As it came, to the letter."""
    model: str = ""
    """As the server named it with this reply."""
    usage: Usage = field(default_factory=Usage)
    error: str | None = None

    def row(self) -> dict[str, Any]:
        """As it stands in the file."""
        row: dict[str, Any] = {
            "item": self.item,
            "part": self.part,
            "run": self.run,
            "attempt": self.attempt,
            "key": self.key,
            "answer_sha256": self.answer_sha256,
        }
        if self.reply is None:
            return row | {"error": self.error}
        tokens = {
            "prompt_tokens": self.usage.prompt_tokens,
            "completion_tokens": self.usage.completion_tokens,
        }
        return row | {"reply": self.reply, "model": self.model, **tokens}


def sha(text: str) -> str:
    """Sixteen hexadecimal digits of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def write_judgements(path: Path, header: Mapping[str, Any], judgements: Sequence[Judgement]) -> None:
    """Write a header line and a line for each judgement, whole or not at all."""
    write_rows(path, [{"form": FORM, **header}, *(one.row() for one in judgements)])


def read_judgements(path: Path) -> tuple[dict[str, Any], list[Judgement]]:
    """Header and judgements of a file, or of a folder that holds one.

    Raises:
        UserError: if it is missing, malformed or of another form.
    """
    path = path / NAME if path.is_dir() else path
    header, *rows = read_rows(path) or [{}]
    if header.get("form") != FORM or "judge" not in header:
        raise UserError(
            "The file does not start with a judge's settings", str(path), "give a folder of mmtune judge"
        )
    try:
        return header, [_judgement(row) for row in rows]
    except (KeyError, TypeError) as error:
        raise UserError(f"A judgement lacks {error}", str(path), "mend the file") from error


def _judgement(row: Mapping[str, Any]) -> Judgement:
    usage = Usage(row.get("prompt_tokens", 0), row.get("completion_tokens", 0))
    return Judgement(
        row["item"],
        row["part"],
        row["run"],
        row["attempt"],
        row["key"],
        row["answer_sha256"],
        row.get("reply"),
        row.get("model", ""),
        usage,
        row.get("error"),
    )


class Recorded:
    """A judge that says again what it said, without its endpoint.

    Args:
        header: of the file.
        judgements: of the file.
        path: of the file, for errors.
    """

    def __init__(self, header: Mapping[str, Any], judgements: Sequence[Judgement], path: Path) -> None:
        self._identity = header["judge"]
        self._judgements = judgements
        self._path = path
        self._known = {one.key: one for one in judgements}

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the judge who said it."""
        return dict(self._identity)

    async def ask(self, requests: Requests) -> AsyncIterator[Answer]:
        """As ``Teacher.ask``; what is not in the file is a failure."""
        async for request in stream(requests):
            known = self._known.get(fingerprint(request, self.identity))
            if known is None or known.reply is None:
                kind, _, reason = (known.error or "").partition(": ") if known else ("waiting", "", "")
                said = Failure(request.id, kind or "waiting", reason or "not recorded")  # type: ignore[arg-type]
                yield said
            else:
                yield Reply(request.id, known.reply, known.usage, known.model, cached=True)

    def check_answers(self, answers: Mapping[tuple[str, str], str]) -> None:
        """Refuse answers that are not those that were judged.

        Args:
            answers: (item, part) → what is to be marked.

        Raises:
            UserError: naming the first that changed, or were never judged.
        """
        judged = {(one.item, one.part): one.answer_sha256 for one in self._judgements}
        other = [item for (item, part), text in answers.items() if judged.get((item, part)) != sha(text)]
        if other := list(dict.fromkeys(other)):
            named = ", ".join(other[:_LISTED]) + (" …" if len(other) > _LISTED else "")
            raise UserError(
                f"{counted(len(other), 'answer is', 'answers are')} not among those that were"
                f" judged: {named}",
                str(self._path),
                "give the answers that were judged, or name a judge with --judge",
            )

    def check_keys(self, keys: Mapping[tuple[str, str, int], str]) -> None:
        """Refuse questions that were asked in other words: another prompt, truth, image or setting.

        Args:
            keys: (item, part, run) → key of the first attempt.

        Raises:
            UserError: naming the first.
        """
        asked = {(one.item, one.part, one.run): one.key for one in self._judgements if one.attempt == 1}
        other = [place[0] for place, key in keys.items() if asked.get(place) not in (key, "")]
        if other := list(dict.fromkeys(other)):
            raise UserError(
                f"{counted(len(other), 'answer was', 'answers were')} judged by another truth or"
                f" other settings,"
                f" as {other[0]}",
                str(self._path),
                "give the files that they were judged with, or name a judge with --judge",
            )


def same(header: Mapping[str, Any], name: str, value: object, path: Path) -> None:
    """Refuse a setting that is not the recorded one.

    Raises:
        UserError: if they differ.
    """
    if json.loads(json.dumps(value)) != header.get(name):
        raise UserError(
            f"The judgements were made with {name} {header.get(name)}, not {value}",
            str(path),
            "leave the option out, or name a judge with --judge",
        )
