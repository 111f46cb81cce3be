"""Phases of a long job: each is done once, and again only when what it starts from has changed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmtune.errors import UserError
from mmtune.progress import clock

log = logging.getLogger(__name__)

Result = dict[str, Any]
"""What a phase hands to the next: small, and plain enough for JSON."""


@dataclass(frozen=True)
class Phase:
    """What is on record about one phase."""

    key: str
    """Hash of what the phase starts from; the phases before it are in it."""
    done: bool = False
    seconds: float = 0.0
    result: Result | None = None


class Phases:
    """Runs phases in order, each in a folder of its own, and remembers which are done.

    A phase that was stopped finds its folder as it left it; one whose inputs changed finds none.

    Args:
        out: the job's folder; phase ``x`` works in ``out/x``.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._records = out / ".phases"
        self._key = ""
        self.seconds: dict[str, float] = {}
        """How long each phase took in all, whenever that was."""

    def run(self, name: str, inputs: Any, work: Callable[[Path], Result]) -> Result:
        """Do a phase, or take its result from the record.

        Args:
            name: the phase, and its folder.
            inputs: all that the phase depends on beside the phases before it; anything that JSON can hold.
            work: does it, given the folder.

        Raises:
            UserError: the phase's folder holds something that no phase put there.
        """
        self._key = _hash([self._key, name, inputs])
        folder = self.out / name
        before = self.read(name)
        if before and before.key == self._key and before.done and folder.exists():
            log.info("%s: done already, in %s", name, folder)
            self.seconds[name] = before.seconds
            return before.result or {}
        if folder.exists() and any(folder.iterdir()):
            if before is None:
                raise UserError(
                    "the folder is in use for something else",
                    str(folder),
                    "remove it, or give another with --out",
                )
            if before.key != self._key:
                log.info("%s: starts anew, because what it depends on has changed", name)
                shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        stopped = before is not None and before.key == self._key and not before.done
        spent = before.seconds if before is not None and stopped else 0.0
        log.info("%s: %s", name, "goes on" if stopped else "starts")
        start = time.monotonic()
        self._write(name, Phase(self._key, seconds=spent))
        try:
            result = work(folder)
        except BaseException:
            self._write(name, Phase(self._key, seconds=spent + time.monotonic() - start))
            raise
        self.seconds[name] = spent + time.monotonic() - start
        self._write(name, Phase(self._key, True, self.seconds[name], result))
        log.info("%s: took %s", name, clock(self.seconds[name]))
        return result

    def read(self, name: str) -> Phase | None:
        """The record of a phase, or None where there is none that can be read."""
        try:
            return Phase(**json.loads((self._records / f"{name}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _write(self, name: str, phase: Phase) -> None:
        self._records.mkdir(parents=True, exist_ok=True)
        partial = self._records / f".{name}.partial"
        partial.write_text(json.dumps(asdict(phase)), encoding="utf-8")
        os.replace(partial, self._records / f"{name}.json")


def code_hash(folders: Iterable[Path]) -> str:
    """A hash of what lies in some folders of packages: other code or other weights, other results.

    Bytecode and hidden files are left out. Weights count as code does, because a recipe only names theirs.
    """
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in name.parts):
                content = hashlib.sha256(path.read_bytes()).digest()
                digest.update(name.as_posix().encode() + b"\0" + content)
    return digest.hexdigest()


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
