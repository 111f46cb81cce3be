"""The folder that ``mmtune data score`` writes, as a pool to choose from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_builders.curate.selection import Pool
from data_builders.rows import iter_rows, write_whole
from mmtune.errors import RecordError, UserError
from mmtune.records import Record

_NOT_SCORES = ("row", "id", "said")


@dataclass(frozen=True)
class Scored:
    """Rows that were scored, in the order of their scores.

    Args:
        pool: their scores and features.
        rows: (pool.size,) the number of each in the file that was scored.
        ids: their ids.
        said: ``digest_of`` each, None where it was scored before digests were written down.
        left_out: row -> id of those that could not be scored, "?" where they could not be read so far.
    """

    pool: Pool
    rows: NDArray[np.int64]
    ids: tuple[str, ...]
    said: tuple[str | None, ...]
    left_out: dict[int, str]


def read_pool(folder: Path, targets: Sequence[Path] = ()) -> Scored:
    """Scores and features of rows.

    Args:
        folder: with ``scores.jsonl``, ``features-NAME.npy`` and, of what was left out, ``problems.jsonl``.
        targets: such folders of the examples that are wanted, one for each task; their vectors become the
            pool's targets.

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
    pool = Pool(len(rows), columns, _features(folder, len(rows)), *_targets(targets))
    numbers = np.array([row["row"] for row in rows], dtype=np.int64)
    ids, said = tuple(str(row.get("id")) for row in rows), tuple(row.get("said") for row in rows)
    return Scored(pool, numbers, ids, said, _left_out(folder / "problems.jsonl"))


def digest_of(record: Record) -> str:
    """16 characters that change with what a record says and shows; its other keys may change."""
    turns = [(turn.role, turn.text) for turn in record.turns]
    images = [(image.path, image.video) for image in record.images]
    return hashlib.blake2b(json.dumps([turns, images]).encode(), digest_size=8).hexdigest()


def match_rows(path: Path, scored: Scored, folder: Path) -> int:
    """Refuse a file whose rows are not those that were scored, told by row, id and what they say.

    Args:
        path: the file to choose from.
        scored: what ``read_pool`` gave.
        folder: of the scores, for the error.

    Returns:
        How many of its rows have no scores, because scoring had to leave them out.

    Raises:
        UserError: a row is another one than was scored in its place, was never scored, or is gone.
    """
    known = dict(zip(scored.rows.tolist(), scored.ids, strict=True))
    said_by = dict(zip(scored.rows.tolist(), scored.said, strict=True))
    without = rows = 0
    for rows, (found, says) in enumerate(_told_of(path), start=1):
        number = rows - 1
        due = known.get(number, scored.left_out.get(number))
        without += number not in known
        if due is None:
            raise _others(f"row {number}, record {found!r}, was not scored", path, folder)
        if found != due and (number in known or "?" not in (found, due)):
            raise _others(
                f"row {number} is record {found!r} and was {due!r} when it was scored", path, folder
            )
        # Rows without ids are called by their numbers, wherever they stand.
        if said_by.get(number) not in (None, says):
            raise _others(
                f"row {number}, record {found!r}, says something else than when it was scored", path, folder
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


def refuse_other_rows(path: Path, folder: Path, features: Collection[str]) -> None:
    """Refuse to score a file in a folder that keeps vectors of other rows, which would pass for its own.

    Args:
        path: the file that is to be scored.
        folder: where its scores are to go.
        features: vectors that will be worked out anew.

    Raises:
        UserError: there are others, and they are not of this file.
    """
    kept = sorted(
        {file.stem.removeprefix("features-") for file in folder.glob("features-*.npy")} - {*features}
    )
    if not kept:
        return
    try:
        match_rows(path, read_pool(folder), folder)
    except UserError as error:
        raise UserError(
            f"the folder keeps the vectors {', '.join(kept)} of other rows: {error.what}",
            str(folder),
            "choose another folder, or remove them",
        ) from error


def _told_of(path: Path) -> Iterator[tuple[str, str | None]]:
    """The id of each row as scoring names it, and what it says."""
    for row in iter_rows(path):
        try:
            record = row.record()
        except RecordError as error:
            yield error.record_id, None
        else:
            yield record.id, digest_of(record)


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


def _targets(
    folders: Sequence[Path],
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.int64] | None]:
    """Vectors of all folders that each of them has, and of which folder each vector is."""
    each = [_features(folder, None) for folder in folders]
    shared = [name for name in each[0] if all(name in one for one in each)] if each else []
    found = {}
    groups = None
    for name in shared:
        if len({one[name].shape[1] for one in each}) > 1:
            raise UserError(
                f"the targets' {name} have different widths", "--targets", "score all with the same model"
            )
        found[name] = np.concatenate([one[name] for one in each])
        of_folder = np.repeat(np.arange(len(each)), [len(one[name]) for one in each])
        if groups is not None and not np.array_equal(groups, of_folder):
            raise UserError("the targets' features do not fit each other", "--targets", "score them again")
        groups = of_folder
    return found, groups


def _features(folder: Path, rows: int | None) -> dict[str, NDArray[np.float32]]:
    found = {}
    for file in sorted(folder.glob("features-*.npy")):
        try:
            # Only what a selector looks at comes into memory.
            vectors = np.load(file, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError) as error:
            raise UserError(
                f"the features cannot be read: {error}", str(file), "score the rows again"
            ) from error
        if vectors.ndim != 2 or (rows is not None and len(vectors) != rows):
            raise UserError("the features do not fit scores.jsonl", str(file), "score the rows again")
        found[file.stem.removeprefix("features-")] = vectors
    return found
