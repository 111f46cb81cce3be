"""What a build has finished, unit by unit: a killed one goes on without a lost or a doubled record."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmtune.errors import UserError

_TABLES = """
CREATE TABLE IF NOT EXISTS build (description TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS runs (number INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE IF NOT EXISTS units (
    id TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, run INTEGER NOT NULL, position INTEGER NOT NULL,
    rows TEXT NOT NULL, rejected TEXT NOT NULL
);
"""


class Journal:
    """The finished units of one build; each is one transaction.

    Args:
        folder: the build's folder, which only one process may write at a time.
        description: what is built with what, as plain JSON; a build goes on only with the same.

    Raises:
        UserError: if another process builds there, or the folder holds another build.
    """

    def __init__(self, folder: Path, description: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError("another process builds in this folder", str(folder), "wait for it") from error
        self.path = folder / "build.sqlite"
        try:
            self._database = sqlite3.connect(self.path, timeout=60)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(_TABLES)
            with self._database:
                self._agree(json.dumps(description, sort_keys=True), folder)
                self.run = int(self._database.execute("INSERT INTO runs DEFAULT VALUES").lastrowid or 0)
        except sqlite3.Error as error:
            raise UserError(
                f"the journal cannot be read: {error}", str(self.path), "name a new folder"
            ) from error

    def _agree(self, description: str, folder: Path) -> None:
        row = self._database.execute("SELECT description FROM build").fetchone()
        if row is None:
            self._database.execute("INSERT INTO build VALUES (?)", (description,))
        elif row[0] != description:
            old, new = json.loads(row[0]), json.loads(description)
            differ = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
            raise UserError(
                f"the folder holds a build that differs in {', '.join(differ)}",
                str(folder),
                "give the same settings to go on with it, or name another folder",
            )

    def seen(self, unit: str) -> bool:
        """Whether this run has met a unit of this id."""
        found = self._database.execute("SELECT 1 FROM units WHERE id = ? AND run = ?", (unit, self.run))
        return found.fetchone() is not None

    def claim(self, unit: str, fingerprint: str, position: int) -> bool:
        """Whether a unit was finished before, from the same input; it then belongs to this run, too."""
        with self._database:
            changed = self._database.execute(
                "UPDATE units SET run = ?, position = ? WHERE id = ? AND fingerprint = ?",
                (self.run, position, unit, fingerprint),
            )
        return changed.rowcount == 1

    def finish(
        self,
        unit: str,
        fingerprint: str,
        position: int,
        rows: Sequence[Mapping[str, Any]],
        rejected: Sequence[Mapping[str, Any]],
    ) -> None:
        """Keep what a unit gave, in place of what it gave before."""
        values = (unit, fingerprint, self.run, position, _json(rows), _json(rejected))
        with self._database:
            self._database.execute("INSERT OR REPLACE INTO units VALUES (?, ?, ?, ?, ?, ?)", values)

    def rows(self, since: int) -> Iterator[dict[str, Any]]:
        """The rows of all units that a run met, from the run ``since`` on, in the order of the input."""
        return self._column("rows", since)

    def rejected(self, since: int) -> Iterator[dict[str, Any]]:
        """What the validators rejected, in the same order."""
        return self._column("rejected", since)

    def units(self) -> int:
        """Finished units of this run."""
        found = self._database.execute("SELECT COUNT(*) FROM units WHERE run = ?", (self.run,))
        return int(found.fetchone()[0])

    def _column(self, name: str, since: int) -> Iterator[dict[str, Any]]:
        found = self._database.execute(
            f"SELECT {name} FROM units WHERE run >= ? ORDER BY position, run", (since,)
        )
        for (text,) in found:
            yield from json.loads(text)

    def close(self) -> None:
        """Close the file and let another process build."""
        self._database.close()
        self._lock.close()


def write_rows(path: Path, rows: Iterator[Mapping[str, Any]]) -> int:
    """Write JSON lines, whole or not at all; how many."""
    partial = path.with_name(path.name + ".partial")
    count = 0
    with partial.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
        out.flush()
        os.fsync(out.fileno())
    partial.replace(path)
    return count


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps([dict(row) for row in rows], ensure_ascii=False)
