"""OpenAI batch files: requests are written for somebody to send, and answers read from what came back."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data_builders.teachers.base import Answer, Failure, Request, Requests, fingerprint, stream
from data_builders.teachers.wire import CHAT_PATH, AttemptError, body, error_of, reply_of
from mmtune.errors import UserError

log = logging.getLogger(__name__)

LINES_A_FILE = 50_000
BYTES_A_FILE = 200 * 10**6
"""A batch file's limits, as OpenAI sets them; the smaller reading of 200 MB."""


@dataclass(frozen=True)
class BatchProblem:
    """A line that came back and cannot be used."""

    file: str
    line: int
    """Counted from 1."""
    reason: str


class BatchFiles:
    """Answers what the files of results hold, and writes the rest as batch files to be sent.

    A request is named by its content (``custom_id`` is the fingerprint), so that results can be read in any
    order, from any number of output and error files, by any later run of the same command.

    Args:
        folder: ``folder/requests`` gets the files to send; ``folder/results`` is where output and error files
            belong, under any name that ends in ``.jsonl``.
        model: as the endpoint names it.
        structured: whether schemas are sent along.
        limit_field: how the endpoint calls the length limit.
        lines: of a file at most.
        size: bytes of a file at most.

    Source: OpenAI's batch API; vLLM's ``run_batch`` reads and writes the same lines.
    """

    def __init__(
        self,
        folder: Path,
        model: str,
        *,
        structured: bool = True,
        limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        lines: int = LINES_A_FILE,
        size: int = BYTES_A_FILE,
    ) -> None:
        self.requests_folder, self.results_folder = folder / "requests", folder / "results"
        self.model, self.structured, self.limit_field = model, structured, limit_field
        self.lines, self.size = lines, size
        self.written: list[Path] = []
        """Files of the last ``ask``, to be sent."""
        self.problems: list[BatchProblem] = []
        """Lines of results that could not be used."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """The model; wherever the files are sent."""
        return {"kind": "batch", "model": self.model}

    async def ask(self, requests: Requests) -> AsyncIterator[Answer]:
        """As ``Teacher.ask``; a request without a result is a failure of the kind ``waiting``."""
        self.problems = []
        came, sent = Counter[str](), self._sent()
        results = self._results(came, sent)
        pages = _Pages(self.requests_folder, self.lines, self.size)
        try:
            async for request in stream(requests):
                try:
                    key = fingerprint(request, self.identity)
                    if key in results:
                        answer = self._read(results[key], request)
                    else:
                        answer = Failure(request.id, "waiting", "its answer has not come back yet")
                    # What failed is sent again; what is under way is not.
                    if isinstance(answer, Failure) and came[key] >= sent[key] and key not in pages.ids:
                        pages.write(key, self._line(key, request))
                except UserError as error:
                    answer = Failure(request.id, "picture", str(error))
                yield answer
        finally:
            self.written = pages.close()

    def _line(self, key: str, request: Request) -> bytes:
        asked = body(request, self.model, structured=self.structured, limit_field=self.limit_field)
        line = {"custom_id": key, "method": "POST", "url": "/v1" + CHAT_PATH, "body": asked}
        return (json.dumps(line, ensure_ascii=False) + "\n").encode()

    def _read(self, places: list[_Place], request: Request) -> Answer:
        """The first result that answers the request: one of no use was sent again, and came again."""
        failures: list[Failure] = []
        for place in sorted(places, key=lambda place: not place.good):
            answer = self._read_one(place, request)
            if not isinstance(answer, Failure):
                return answer
            failures.append(answer)
        return failures[0]

    def _read_one(self, place: _Place, request: Request) -> Answer:
        with place.file.open("rb") as file:
            file.seek(place.offset)
            row = json.loads(file.readline())
        if (said := _error_in(row)) is not None:
            return Failure(request.id, "server", said)
        try:
            reply = reply_of(row["response"]["body"], request)
        except AttemptError as trouble:
            return Failure(request.id, trouble.kind, trouble.reason)
        return reply

    def _results(self, came: Counter[str], sent: Mapping[str, int]) -> dict[str, list[_Place]]:
        """Where the results of each custom_id are; what answers it wins over an error in any other file.

        Args:
            came: gets how many results there are of each.
            sent: how often each was sent.
        """
        places: dict[str, list[_Place]] = {}
        good = Counter[str]()
        for file in sorted(self.results_folder.glob("*.jsonl")):
            for number, offset, row in self._rows(file):
                key = row.get("custom_id")
                if not isinstance(key, str):
                    self.problems.append(BatchProblem(file.name, number, "the line has no custom_id"))
                    continue
                came[key] += 1
                place = _Place(file, offset, _error_in(row) is None)
                places.setdefault(key, []).append(place)
                good[key] += place.good
                if place.good and good[key] > max(1, sent[key]):
                    twice = f"custom_id {key} was answered before; the first answer counts"
                    self.problems.append(BatchProblem(file.name, number, twice))
        for problem in self.problems:
            log.warning("%s, line %d: %s", problem.file, problem.line, problem.reason)
        return places

    def _sent(self) -> Counter[str]:
        """How often each custom_id stands in the files that were written."""
        files = sorted(self.requests_folder.glob("*.jsonl"))
        return Counter(str(row.get("custom_id")) for file in files for _, _, row in self._rows(file))

    def _rows(self, file: Path) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """(line, offset, row) of a file; lines that are no JSON object are noted and passed over."""
        offset = 0
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                start, offset = offset, offset + len(line)
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    row = None
                if isinstance(row, dict):
                    yield number, start, row
                else:
                    self.problems.append(BatchProblem(file.name, number, "the line is not a JSON object"))


@dataclass(frozen=True)
class _Place:
    file: Path
    offset: int
    good: bool


def _error_in(row: Mapping[str, Any]) -> str | None:
    """What went wrong with a request, from a line of either file; None where it was answered."""
    response = row.get("response")
    if row.get("error"):
        message, code = error_of({"error": row["error"]})
        return " ".join(f"{message or code or 'an error without a message'}".split())
    if not isinstance(response, Mapping):
        return "the line has neither an answer nor an error"
    status = response.get("status_code")
    if status != 200:
        message, _ = error_of(response.get("body"))
        return f"status {status}: {message}" if message else f"status {status}"
    return None if "body" in response else "the answer has no body"


class _Pages:
    """Files of requests, none longer than allowed; each appears under its name only when it is whole."""

    def __init__(self, folder: Path, lines: int, size: int) -> None:
        self.folder, self.lines, self.size = folder, lines, size
        self.ids: set[str] = set()
        self._done: list[Path] = []
        self._file: Any = None
        self._lines = self._size = 0

    def write(self, key: str, line: bytes) -> None:
        """Put a request into the current file, or into the next where it does not fit.

        Raises:
            UserError: if it alone is larger than a file may be.
        """
        if len(line) > self.size:
            raise UserError(
                f"a request of {len(line):,} bytes does not fit into a batch file of {self.size:,}",
                fix="send smaller images",
            )
        if self._file and (self._lines == self.lines or self._size + len(line) > self.size):
            self._finish()
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            # After the last one: of those before it some may have been taken away once they were sent.
            written = [path.stem.removeprefix("requests-") for path in self.folder.glob("requests-*.jsonl")]
            number = 1 + max((int(name) for name in written if name.isdecimal()), default=0)
            self._path = self.folder / f"requests-{number:04d}.jsonl"
            self._file = self._path.with_suffix(".partial").open("wb")
            self._lines = self._size = 0
        self._file.write(line)
        self._lines, self._size = self._lines + 1, self._size + len(line)
        self.ids.add(key)

    def close(self) -> list[Path]:
        """Finish the last file; all that were written."""
        if self._file:
            self._finish()
        return self._done

    def _finish(self) -> None:
        self._file.close()
        self._path.with_suffix(".partial").replace(self._path)
        self._done.append(self._path)
        self._file = None
