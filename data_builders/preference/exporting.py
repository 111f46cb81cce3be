"""Preferences from one format to another, row by row; what a format has no place for is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_builders.builders import Built
from data_builders.image_paths import path_reason
from data_builders.preference import parquet
from data_builders.preference.formats import FORMATS, Format
from data_builders.problems import Problem, Problems, beside, problem_of
from data_builders.rows import iter_rows
from mmtune.errors import RecordError, UserError, unknown
from mmtune.images.decoding import resolve_image
from mmtune.records import Preference, write_rows


@dataclass(frozen=True)
class Exported(Built):
    """What was written.

    Args:
        repeated: pairs whose id an earlier one has; they are written, too, as most formats have no ids.
    """

    repeated: Sequence[Problem] = ()


def read_format(
    path: Path, name: str, unpack: Path | None = None
) -> Iterator[tuple[int, Preference | RecordError]]:
    """The pairs of a file.

    Args:
        path: JSON, JSON Lines or parquet, whatever the format's own files are.
        name: of the format.
        unpack: folder that the images inside a parquet file are written to.

    Yields:
        (row, preference) or, for one that cannot be used, (row, the error to report).

    Raises:
        UserError: if the format cannot be read, or the file cannot.
    """
    form = _format(name)
    if form.read is None:
        raise UserError(f"{name} does not keep the rejected answers, so it cannot be read", "--from")
    if path.suffix == ".parquet":
        for index, value in parquet.read_rows(path, form.embeds, unpack):
            yield index, _read(form.read, value, index)
        return
    for row in iter_rows(path):
        try:
            yield row.number, _read(form.read, row.value(), row.number)
        except RecordError as error:
            yield row.number, error


def _read(read: Callable[[Any, int], Preference], value: Any, index: int) -> Preference | RecordError:
    try:
        return read(value, index)
    except RecordError as error:
        return error


def export(
    path: Path, out: Path, to: str, *, source: str = "mmtune", image_root: Path | None = None,
    unpack: Path | None = None,
) -> Exported:  # fmt: skip
    """Write a file of preferences in another format, whole or not at all.

    Args:
        path: the preferences.
        out: of a suffix that the format has. Rows that were left out go to ``OUT.problems.jsonl``.
        to: name of the format to write.
        source: name of the format to read.
        image_root: folder of the images, which must then be in it; their bytes go into a parquet file.
        unpack: as for ``read_format``.

    Raises:
        UserError: if a format, suffix or folder does not fit, or not one row can be written.
    """
    form = _format(to)
    if out.suffix not in form.suffixes:
        raise UserError(f"{to} is written as {' or '.join(form.suffixes)}", str(out), "choose such a name")
    if out.resolve() == path.resolve():
        raise UserError("the output is the input", str(out), "choose another file")
    if image_root is not None and not image_root.is_dir():
        raise UserError("there is no such folder of images", str(image_root), "--image-root names it")
    if out.suffix == ".parquet" and image_root is None:
        raise UserError("the images go into the parquet file", "--image-root", "say where they are")
    noted = beside(out)
    noted.unlink(missing_ok=True)
    repeated: list[Problem] = []
    with Problems(noted) as problems:
        pairs = _told_twice(read_format(path, source, unpack), repeated)
        rows = _rows(pairs, form, out, image_root, problems)
        first = next(rows, None)
        if first is None:
            raise UserError("not one pair can be written", str(path), problems.summary() or "it is empty")

        def again() -> Iterator[dict[str, Any]]:
            yield first
            yield from rows

        if out.suffix == ".parquet":
            written = parquet.write_rows(out, again(), form.embeds)
        else:
            written = write_rows(out, again())
    return Exported({"pairs": written}, problems.summary(), repeated)


def _told_twice(
    pairs: Iterator[tuple[int, Preference | RecordError]], repeated: list[Problem]
) -> Iterator[tuple[int, Preference | RecordError]]:
    """The pairs as they come; those whose id stood before are noted."""
    first_of: dict[str, int] = {}
    for index, pair in pairs:
        if isinstance(pair, Preference):
            first = first_of.setdefault(pair.id, index)
            if first != index:
                repeated.append(Problem(index, f"row {first} has the same id", id=pair.id))
        yield index, pair


def _check_paths(pair: Preference, index: int, image_root: Path | None) -> None:
    """Refuse paths that leave the image root and, where that is known, images that are not in it."""
    for image in pair.images:
        if reason := path_reason(image.path):
            raise RecordError(reason, pair.id, index, "give a path inside the image root")
        if image_root is not None and not image.is_video:
            resolve_image(image_root, image)


def _rows(
    pairs: Iterator[tuple[int, Preference | RecordError]],
    form: Format,
    out: Path,
    image_root: Path | None,
    problems: Problems,
) -> Iterator[dict[str, Any]]:
    for index, pair in pairs:
        try:
            if isinstance(pair, RecordError):
                raise pair
            _check_paths(pair, index, image_root)
            row = form.write(pair, index)
            if out.suffix == ".parquet" and image_root is not None:
                row = parquet.embedded(row, form.embeds, image_root)
            yield row
        except RecordError as error:
            problems(problem_of(error, index))
        except UserError as error:
            problems(problem_of(error, index, pair.id if isinstance(pair, Preference) else "?"))


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise unknown("format of preferences", name, FORMATS)
    return FORMATS[name]
