"""The folder that ``mmtune data score`` writes, as a pool to choose from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_builders.curate.selection import Pool
from data_builders.rows import iter_rows, write_whole
from mmtune.errors import RecordError, UserError

_NOT_SCORES = ("row", "id")


@dataclass(frozen=True)
class Scored:
    """Rows that were scored, in the order of their scores.

    Args:
        pool: their scores and features.
        rows: (pool.size,) the number of each in the file that was scored.
        ids: their ids.
        left_out: row -> id of those that could not be scored, "?" where they could not be read so far.
    """

    pool: Pool
    rows: NDArray[np.int64]
    ids: tuple[str, ...]
    left_out: dict[int, str]


def read_pool(folder: Path, targets: Path | None = None) -> Scored:
    """Scores and features of rows.

    Args:
        folder: with ``scores.jsonl``, ``features-NAME.npy`` and, of what was left out, ``problems.jsonl``.
        targets: such a folder of the examples that are wanted; their vectors become the pool's targets.

    Raises:
        UserError: a file is missing or damaged, or a file of features has another number of rows.
    """
    rows: list[dict[str, Any]] = []
    for row in iter_rows(folder / "scores.jsonl"):
        value = row.value()
        if not isinstance(value, dict) or not isinstance(value.get("row"), int):
            raise UserError("a line is no row of scores", f"{folder / 'scores.jsonl'}, row {row.number}")
        rows.append(value)
    names = dict.fromkeys(name for row in rows for name in row if name not in _NOT_SCORES)
    columns = {
        name: np.array([np.nan if row.get(name) is None else float(row[name]) for row in rows])
        for name in names
    }
    wanted = {} if targets is None else _features(targets, None)
    pool = Pool(len(rows), columns, _features(folder, len(rows)), wanted)
    numbers = np.array([row["row"] for row in rows], dtype=np.int64)
    return Scored(
        pool, numbers, tuple(str(row.get("id")) for row in rows), _left_out(folder / "problems.jsonl")
    )


def match_rows(path: Path, scored: Scored, folder: Path) -> int:
    """Refuse a file whose rows are not those that were scored, told by row and id.

    Args:
        path: the file to choose from.
        scored: what ``read_pool`` gave.
        folder: of the scores, for the error.

    Returns:
        How many of its rows have no scores, because scoring had to leave them out.

    Raises:
        UserError: a row has another id than the one scored in its place, was never scored, or is gone.
    """
    known = dict(zip(scored.rows.tolist(), scored.ids, strict=True))
    without = rows = 0
    for rows, found in enumerate(_ids_of(path), start=1):
        number = rows - 1
        due = known.get(number, scored.left_out.get(number))
        without += number not in known
        if due is None:
            raise _others(f"row {number}, record {found!r}, was not scored", path, folder)
        if found != due and (number in known or "?" not in (found, due)):
            raise _others(
                f"row {number} is record {found!r} and was {due!r} when it was scored", path, folder
            )
    if gone := [number for number in known if number >= rows]:
        raise _others(f"it ends before row {min(gone)}, record {known[min(gone)]!r}", path, folder)
    return without


def _others(difference: str, path: Path, folder: Path) -> UserError:
    return UserError(
        f"the file's rows are not those of the scores in {folder}: {difference}",
        str(path),
        "score this file with `mmtune data score`, or give the file that was scored",
    )


def _ids_of(path: Path) -> Iterator[str]:
    """The id of each row as scoring names it."""
    for row in iter_rows(path):
        try:
            yield row.record().id
        except RecordError as error:
            yield error.record_id


def _left_out(path: Path) -> dict[int, str]:
    if not path.exists():
        return {}
    found: dict[int, str] = {}
    for row in iter_rows(path):
        value = row.value()
        if not isinstance(value, dict) or not isinstance(value.get("row"), int):
            raise UserError("a line is no row that was left out", f"{path}, row {row.number}")
        found[value["row"]] = str(value.get("id", "?"))
    return found


def write_selection(path: Path, selection: dict[str, Any]) -> None:
    """Say in JSON how rows were chosen."""
    write_whole(path, json.dumps(selection, indent=1, ensure_ascii=False).encode() + b"\n")


def _features(folder: Path, rows: int | None) -> dict[str, NDArray[np.float32]]:
    found = {}
    for file in sorted(folder.glob("features-*.npy")):
        try:
            vectors = np.load(file, allow_pickle=False)
        except (ValueError, OSError) as error:
            raise UserError(
                f"the features cannot be read: {error}", str(file), "score the rows again"
            ) from error
        if vectors.ndim != 2 or (rows is not None and len(vectors) != rows):
            raise UserError("the features do not fit scores.jsonl", str(file), "score the rows again")
        found[file.stem.removeprefix("features-")] = vectors
    return found
