"""The folder that ``mmtune data score`` writes, as a pool to choose from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_builders.curate.selection import Pool
from data_builders.rows import iter_rows, write_whole
from mmtune.errors import UserError

_NOT_SCORES = ("row", "id")


def read_pool(folder: Path, targets: Path | None = None) -> tuple[Pool, NDArray[np.int64]]:
    """Scores and features of rows.

    Args:
        folder: with ``scores.jsonl`` and ``features-NAME.npy``.
        targets: such a folder of the examples that are wanted; their vectors become the pool's targets.

    Returns:
        The pool, and for each of its places the row in the file that was scored.

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
    return pool, np.array([row["row"] for row in rows], dtype=np.int64)


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
