"""Hold every row of a built file against its scenes, and say which rows are wrong and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from data_builders.builders import Built
from data_builders.problems import SHOWN, Problem, Problems, problem_of
from data_builders.rows import iter_rows, writing_to
from mmtune.errors import RecordError, UserError
from mmtune.records import Preference, Record

T = TypeVar("T", Record, Preference)


def verify_rows(
    path: Path,
    parse: Callable[[Any, int], T],
    verify: Callable[[T], list[str]],
    noted: Path | None = None,
) -> Built:
    """Verify every row of a file; one that cannot be read is a wrong one, and the next are looked at.

    Args:
        path: what was built, LLaVA JSON, preferences, or one of them a line.
        parse: a decoded row as a record; raises ``RecordError``.
        verify: the reasons why a record is wrong, none where it is verified.
        noted: gets every reason as JSON Lines of ``row``, ``id`` and ``reason``; an older one is removed.

    Returns:
        How many rows there are and how many of them are wrong; ``problems`` shows the first reasons.

    Raises:
        UserError: if the file cannot be read or is a malformed JSON list, or the reasons cannot be written.
    """
    if noted is not None:
        if noted.exists() and noted.samefile(path):
            raise UserError("the output is the input", str(noted), "choose another file")
        with writing_to(noted):
            noted.unlink(missing_ok=True)
    rows = wrong = 0
    with Problems(noted) as problems:
        for row in iter_rows(path):
            rows += 1
            try:
                record = parse(row.value(), row.number)
                found = [Problem(row.number, reason, id=record.id) for reason in verify(record)]
            except RecordError as error:
                found = [problem_of(error, row.number)]
            wrong += bool(found)
            for problem in found:
                problems(problem)
    return Built({"records": rows, "problems": wrong}, _told(wrong, problems))


def _told(wrong: int, problems: Problems) -> str:
    if not wrong:
        return ""
    shown = "; ".join(map(str, problems.first[:SHOWN]))
    more = f" and {len(problems) - SHOWN} more reasons" if len(problems) > SHOWN else ""
    kept = f" (all in {problems.path})" if problems.path is not None else ""
    return f"{wrong} wrong: {shown}{more}{kept}"


def licence_reasons(stated: object, given: str) -> list[str]:
    """Why a record's licence is not that of its scenes, none where it is.

    Args:
        stated: what the record says.
        given: what its scenes say, "unknown" where they say nothing.
    """
    if (stated or "unknown") == given:
        return []
    # Where the annotation states none, the build was told one and the scenes that are read again were not.
    told = " (a licence that the build was told with --licence is told again here)" * (given == "unknown")
    return [f"the licence is {stated!r}, that of its scenes is {given!r}{told}"]
