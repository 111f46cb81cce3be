"""Reads files of answers in the forms that benchmarks' servers and scripts take; errors name ids."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.row_files import is_table, read_rows_of_any
from mmtune.errors import UserError
from mmtune.wording import agreeing, counted

MAX_CHARACTERS = 100_000
"""Longest answer; no model's answer is this long, a file's mistake may be."""

_LISTED = 5


@dataclass(frozen=True)
class Matched:
    """Answers laid beside the benchmark's items, by id."""

    answers: Mapping[str, str]
    """By item id; only of items that the benchmark has."""
    missing: Sequence[str]
    """Items without an answer, in the benchmark's order."""
    extra: Sequence[str]
    """Ids in the answer file that the benchmark does not have."""


def read_answers(
    path: Path, id_names: Sequence[str], text_names: Sequence[str], task: str = ""
) -> dict[str, str]:
    """Answers by id from a JSON list, JSON object, JSON Lines, CSV, TSV or Excel file.

    A JSON object maps ids to answers, or to objects that hold them, or has the rows under a name such as
    ``annotations``. In a table an empty cell is an empty answer, since that is all that a table can write of
    one; nan is no answer. Of a run's own ``predictions.jsonl`` the rows of the task are taken, the blind
    ones left out.

    Args:
        path: the file.
        id_names: names of the field that holds the id; the first that a row has counts.
        text_names: likewise, of the answer.
        task: name of the task in a run's own predictions.

    Raises:
        UserError: for a file that cannot be read, a row without id or answer, an id that stands there twice,
            or an answer that is not text.
    """
    answers: dict[str, str] = {}
    of_cells = is_table(path)
    for number, row in enumerate(_own(read_rows_of_any(path), task), start=1):
        identity = _field(row, id_names, path, number, "id")
        text = _field(row, text_names, path, number, "answer")
        if of_cells and text.strip().lower() == "nan":  # what pandas makes of an answer that is missing
            text = math.nan
        add_answer(answers, str(identity), text, path)
    return answers


def add_answer(answers: dict[str, str], identity: str, text: Any, path: Path) -> None:
    """Put an answer among the others, after the checks that every answer must pass.

    Raises:
        UserError: if the id is there already, or the answer is not text or far too long.
    """
    if identity in answers:
        told = "with two answers" if answers[identity] != text else "with the same answer"
        raise UserError(f"The id {identity} stands in the answer file twice, {told}", str(path), "keep one")
    if not isinstance(text, str):
        raise UserError(
            f"The answer to {identity} is {_called(text)}, not text", str(path), "write it as text"
        )
    if len(text) > MAX_CHARACTERS:
        raise UserError(
            f"The answer to {identity} has {len(text):,} characters, more than {MAX_CHARACTERS:,}",
            str(path),
            "mend or shorten it",
        )
    answers[identity] = text


def match(
    answers: Mapping[str, str],
    identities: Iterable[str],
    path: Path,
    missing: str = "refuse",
    extra: str = "refuse",
) -> Matched:
    """Lay answers beside the benchmark's items by id.

    Args:
        answers: by id.
        identities: ids of the benchmark's items, in its order.
        path: the answer file, for the error.
        missing: ``refuse`` a file without an answer to each item, or go on for ``wrong`` or ``skip``.
        extra: ``refuse`` answers to items that the benchmark does not have, or ``ignore`` them.

    Raises:
        UserError: for what is to be refused, naming how many there are and the first.
    """
    known = list(identities)
    absent = [identity for identity in known if identity not in answers]
    beyond = sorted(set(answers) - set(known)) if len(answers) > len(known) - len(absent) else []
    if absent and len(absent) == len(known):
        raise UserError(
            f"None of the {counted(len(answers), 'answer')} has an id of the benchmark, which has"
            f" {_some(known)}, where the answer file has {_some(sorted(answers)) or 'none'}",
            str(path),
            "check that the two files belong together",
        )
    if absent and missing == "refuse":
        raise UserError(
            f"{len(absent)} of {counted(len(known), 'item')}"
            f" {agreeing(len(absent), 'has', 'have')} no answer:"
            f" {_some(absent)}",
            str(path),
            "answer them, or count them as wrong with --missing wrong, or leave them out with --missing skip",
        )
    if beyond and extra == "refuse":
        raise UserError(
            f"{counted(len(beyond), 'answer is', 'answers are')} to items that the benchmark does not have:"
            f" {_some(beyond)}",
            str(path),
            "take them out, or leave them aside with --extra ignore",
        )
    return Matched({identity: answers[identity] for identity in known if identity in answers}, absent, beyond)


def of_a_run(rows: Sequence[dict[str, Any]]) -> bool:
    """Whether these are the rows of a run's own ``predictions.jsonl``."""
    return bool(rows) and {"task", "blind"} <= set(rows[0])


def _own(rows: Sequence[dict[str, Any]], task: str) -> Iterable[dict[str, Any]]:
    """Rows of one task where the file is a run's own predictions; other files' rows as they are."""
    if not of_a_run(rows):
        return rows
    tasks = list(dict.fromkeys(str(row.get("task")) for row in rows))
    chosen = task if task in tasks else next((name for name in tasks if name.startswith(task)), "")
    if len(tasks) == 1:
        chosen = tasks[0]
    kept = [r for r in rows if r.get("task") == chosen and not r.get("blind") and "error" not in r]
    # What was generated is not what the run scored, where the protocol normalises it for the answer file.
    return [{**row, "prediction": row["submitted"]} if "submitted" in row else row for row in kept]


def _field(row: Mapping[str, Any], names: Sequence[str], path: Path, number: int, called: str) -> Any:
    for name in names:
        if name in row:
            return row[name]
    raise UserError(
        f"Row {number} has no {called}: it has {', '.join(list(row)[:_LISTED]) or 'nothing'}",
        str(path),
        f"name it {' or '.join(repr(name) for name in names[:3])}",
    )


def _called(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}.get(
        type(value), type(value).__name__
    )


def _some(identities: Sequence[str]) -> str:
    shown = ", ".join(identities[:_LISTED])
    return shown if len(identities) <= _LISTED else f"{shown} and {len(identities) - _LISTED} more"
