"""Write the rows of a file that are kept, as they came."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from data_builders.rows import RowWriter, iter_rows
from mmtune.errors import UserError


def write_kept(path: Path, out: Path, dropped: Collection[int], rows: int) -> int:
    """Copy all rows but the dropped ones, whole or not at all.

    Args:
        path: the file that was looked at.
        out: the file to write, ``.json`` or ``.jsonl``.
        dropped: numbers of the rows to leave out.
        rows: rows that the file had when it was looked at.

    Returns:
        The number of rows written.

    Raises:
        UserError: nothing would be left, or the file has changed since.
    """
    _refuse_same(path, out)
    if len(dropped) >= rows:
        raise UserError("no row of the file would be left", str(path), "see the lists of what was dropped")
    with RowWriter(out) as writer:
        seen = 0
        for row in iter_rows(path):
            seen += 1
            if row.number not in dropped:
                writer.write(row)
        if seen != rows:
            raise UserError("the file was changed while it was in use", str(path), "run the command again")
    return writer.count


def write_chosen(path: Path, out: Path, chosen: Iterable[int]) -> int:
    """Copy the rows of these numbers in the order of the file, each as often as it was chosen.

    Raises:
        UserError: the file has no such row, or none was chosen.
    """
    _refuse_same(path, out)
    times: dict[int, int] = {}
    for number in chosen:
        times[number] = times.get(number, 0) + 1
    if not times:
        raise UserError("no row was chosen", str(path), "choose more")
    with RowWriter(out) as writer:
        for row in iter_rows(path):
            for _ in range(times.pop(row.number, 0)):
                writer.write(row)
        if times:
            raise UserError(f"the file has no row {min(times)}", str(path), "choose from its rows")
    return writer.count


def _refuse_same(path: Path, out: Path) -> None:
    if out.exists() and path.exists() and out.samefile(path):
        raise UserError("the output is the input", str(out), "choose another file")
