"""Answers that have been given, by all that they depend on: what a killed run or a later one need not ask."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from eval.asking import Ask
from eval.backends.base import Answer
from mmtune.errors import UserError
from mmtune.images.decoding import resolve_image

log = logging.getLogger(__name__)

NAME = "answered"
PILLOW = version("pillow")


class Answered:
    """A folder's answers. Each is one line, written when it is known, under a hash of the model's identity
    (its weights', not its path), the prompt, the image's bytes and the settings.

    Args:
        folder: with one file for each process that writes.
        identity: of the model.
        rank: this process's number.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], rank: int = 0) -> None:
        self.folder = folder
        self.path = folder / (f"{NAME}.{rank}.jsonl" if rank else f"{NAME}.jsonl")
        self._identity = json.dumps(identity, sort_keys=True)
        self._images: dict[tuple[str, str], str | None] = {}
        self._known: dict[str, Answer] = {}
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Answered:
        self._file = self.path.open("ab", buffering=0)
        if self._file.tell() and self.path.read_bytes()[-1:] != b"\n":
            self._file.write(b"\n")  # behind half a line of a process that was killed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def forget(self) -> None:
        """Remove what all processes have written."""
        for path in self._files():
            path.unlink(missing_ok=True)
        self._known.clear()

    def read(self) -> None:
        """Take up what all processes have written so far."""
        for path in self._files():
            for line in path.read_bytes().split(b"\n"):
                try:
                    row = json.loads(line) if line else None
                except ValueError:
                    log.info("%s: half a line is passed over", path)
                    continue
                if row is not None:
                    scores = row.get("logprobs")
                    self._known[row["key"]] = Answer(
                        row["text"],
                        row["stopped"],
                        tuple(scores) if scores is not None else None,
                        row.get("sure"),
                    )

    def get(self, ask: Ask) -> Answer | None:
        """The answer to an ask, where it is known."""
        key = self._key(ask)
        return self._known.get(key) if key else None

    def put(self, ask: Ask, answer: Answer) -> None:
        """Write an answer down at once."""
        key = self._key(ask)
        if self._file is None:
            raise RuntimeError("answers are written inside a with block")
        if key is None:
            return
        self._known[key] = answer
        row: dict[str, Any] = {"key": key, "text": answer.text, "stopped": answer.stopped}
        if answer.logprobs is not None:
            row["logprobs"] = answer.logprobs
        if answer.sure is not None:
            row["sure"] = answer.sure
        # One write a line: a line is whole or, where the machine dies in it, the last one.
        self._file.write(json.dumps(row).encode() + b"\n")

    def _key(self, ask: Ask) -> str | None:
        """None where an image cannot be read, so that nothing is remembered of it."""
        images = [self._image(ask.root, image) for image in ask.images]
        if None in images:
            return None
        settings = [ask.max_new_tokens, ask.how, ask.options, ask.meanings]
        content = [self._identity, images, ask.history, ask.text, *settings]
        if ask.alteration:
            content += [ask.alteration, PILLOW]  # which draws and compresses
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def _image(self, root: str, image: str) -> str | None:
        if (root, image) not in self._images:
            self._images[root, image] = _image_hash(root, image)
        return self._images[root, image]

    def _files(self) -> Iterable[Path]:
        return sorted(self.folder.glob(f"{NAME}*.jsonl"))


def _image_hash(root: str, image: str) -> str | None:
    try:
        return hashlib.sha256(resolve_image(Path(root), image).read_bytes()).hexdigest()
    except (OSError, UserError):
        return None
