"""Errors written for the person who reads them: what happened, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can mend; the command line shows it as one sentence and exits with status 2.

    Args:
        what: what happened, as the start of a sentence, without a final stop.
        where: the file, row, record or recipe key, if there is one.
        fix: what to do about it, if that is known.
    """

    exit_status = 2

    def __init__(self, what: str, where: str | None = None, fix: str | None = None) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(what, where, fix)

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        advice = f"; {self.fix}" if self.fix else ""
        return f"{self.what}{place}{advice}."


class RecordError(UserError):
    """A record that cannot be used; it goes to the quarantine file with its row and reason.

    Args:
        reason: why the record is refused.
        record_id: the record's own id, or "?" where it has none.
        row: zero-based row in its file, if known.
        fix: what to do about it, if that is known.
    """

    def __init__(
        self, reason: str, record_id: str = "?", row: int | None = None, fix: str | None = None
    ) -> None:
        self.reason = reason
        self.record_id = record_id
        self.row = row
        where = f"record {record_id!r}" if row is None else f"record {record_id!r}, row {row}"
        super().__init__(reason, where, fix)

    def __reduce__(self) -> tuple[type[RecordError], tuple[str, str, int | None, str | None]]:
        """Rebuild from the constructor's own arguments, so that loader workers can send the error on."""
        return type(self), (self.reason, self.record_id, self.row, self.fix)


def unknown(kind: str, name: str, known: Iterable[str], where: str | None = None) -> UserError:
    """The error for a name that a registry does not have, with the nearest one that it has.

    Args:
        kind: what the name would be, as ``projector``.
        name: as the user wrote it.
        known: names that there are, at least one.
        where: the recipe key or option that holds the name.
    """
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0)[0]
    if len(names) == 1:
        return UserError(f"unknown {kind} {name!r}", where, f"did you mean {nearest!r}? There is no other")
    return UserError(
        f"unknown {kind} {name!r}", where, f"did you mean {nearest!r}? There are {', '.join(names)}"
    )
